"""Actions: sync and async, through the wrapper, under Django's two handlers, and by `runworker`."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from harness.signed import post, signature
from project.asgi import application
from project.models import Message

from channelgate import action, answers, registry


def question(name, **fields):
    return {"action": name, "data": None, "user": None, "connection": "k2Jx", "consumer": "tracker", **fields}


async def by_wrapper(name, body, headers):
    response = await post(application, f"/channelgate/{name}", body, {**signature(body), **headers})
    return response.status, json.loads(response.body)


async def by_asgi(name, body, headers):
    response = await post(application, f"/gate/{name}", body, {**signature(body), **headers})
    return response.status, json.loads(response.body)


async def by_wsgi(name, body, headers):
    def ask():
        given = {**signature(body), **headers}
        return Client(enforce_csrf_checks=True).post(
            f"/gate/{name}", data=body, content_type="application/json", headers=given
        )

    response = await sync_to_async(ask, thread_sensitive=False)()
    assert response["Cache-Control"] == "no-store" and "Set-Cookie" not in response
    return response.status_code, json.loads(response.content)


@pytest.fixture(params=[by_wrapper, by_asgi, by_wsgi], ids=["wrapper", "asgi", "wsgi"])
def ask(request):
    async def ask(name, *, key=None, body=None, **fields):
        raw = json.dumps(question(name, **fields)).encode() if body is None else body
        return await request.param(name, raw, {"idempotency-key": key} if key else {})

    return ask


async def test_the_answer_has_status_and_body(ask, anna):
    who = {"id": anna[0].pk}
    told = {"id": anna[0].pk, "connection": "k2Jx", "consumer": "tracker", "data": {"x": [1]}}
    assert await ask("user", user=who, data={"x": [1]}) == (200, told)
    assert await ask("auser", user=who) == (200, {"id": anna[0].pk, "at": "2026-03-02T09:31:07.123Z"})
    assert await ask("user") == (404, {"message": "User not found"})
    assert await ask("auser") == (409, {"message": "No such user"})
    assert await ask("nothing") == (501, {"message": "Unknown action: nothing"})


async def test_a_failure_tells_nothing_of_the_code(ask, caplog):
    assert await ask("fails") == (500, {"message": "Internal error"})
    assert "a secret of the code" in caplog.text
    assert await ask("set") == (500, {"message": "Internal error"})


async def test_the_body_is_a_question_of_this_action(ask):
    for body in (b"noise", b"[]", b"{}", json.dumps(question("user")).encode()):
        assert (await ask("auser", body=body))[0] == 400, body


@pytest.mark.parametrize("name", ["count", "acount"])
async def test_an_idempotent_action_answers_a_second_try_with_the_first_answer(ask, name):
    from django.core.cache import cache

    cache.clear()
    first = await ask(name, key="one")
    assert await ask(name, key="one") == first
    other = await ask(name, key="two")
    assert other != first and await ask(name, key="one") == first
    assert await ask(name) != await ask(name)


async def test_an_atomic_action_is_undone_by_a_refusal(ask):
    assert await ask("atomic") == (409, {"message": "after the write"})
    assert not await Message.objects.filter(room="atomic").aexists()


async def test_a_worker_answers_the_same_questions(layer, anna):
    for name, status in (("user", 200), ("auser", 200), ("fails", 500), ("nothing", 501)):
        events = asyncio.Queue()
        await events.put(
            {"type": "channelgate.call", "id": 7, "reply_channel": "specific.n!reply", **question(name)}
            | {"user": {"id": anna[0].pk}}
        )
        scope = {"type": "channel", "channel": "gate"}
        task = asyncio.ensure_future(application(scope, events.get, None))
        answer = await layer.receive("specific.n!reply")
        assert answer["type"] == "channelgate.answer" and (answer["id"], answer["status"]) == (7, status)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_name_is_registered_once(monkeypatch):
    from channelgate.checks import check_actions

    monkeypatch.setattr(registry, "twice", [])
    monkeypatch.setattr("channelgate.checks.twice", registry.twice)
    monkeypatch.setattr(registry, "actions", dict(registry.actions))
    assert check_actions() == []

    @action("user")
    def another(call):
        return None

    (error,) = check_actions()
    assert error.id == "channelgate.E003"
    assert error.msg == (
        'The action "user" is registered twice: project.actions.user and'
        f" {__name__}.test_a_name_is_registered_once.<locals>.another."
    )


def test_a_name_of_the_bridge_is_reserved(monkeypatch):
    from channelgate.checks import check_actions

    monkeypatch.setitem(registry.actions, "channels", registry.Registered("channels", by_asgi, False, False))
    (error,) = check_actions()
    assert error.id == "channelgate.E006" and '"channels" is reserved' in error.msg


@pytest.mark.parametrize("name", ["", "a/b", None, len])
def test_a_name_is_a_text_of_one_segment(name):
    with pytest.raises(TypeError, match="action's name"):
        action(name)


def test_json_of_surrogates_is_still_json():
    assert json.loads(answers.dumps({"x": "\ud800"})) == {"x": "?"}
