"""User, expiry, exported values and notes: what a node learns of a connection."""

import json
import time

import pytest
from harness import node
from harness.node import handshake_of
from project.asgi import application
from project.consumers import Exports

from channelgate.bridge import notes

CONNECT = {"type": "websocket.connect"}


def say(value):
    return {"type": "websocket.receive", "text": json.dumps(value)}


def side_of(path, layer, **handshake):
    return node.Node(node.wrapper(application), handshake_of(path, **handshake), layer)


async def test_the_user_is_told_after_connect_and_when_it_changes(layer, anna):
    side = side_of("/exports/", layer, cookie=anna[1])
    await side.step(dict(CONNECT))
    user = {"id": anna[0].pk, "name": "anna", "is_staff": False, "is_superuser": False}
    assert side.ends[-1]["user"] == user
    assert abs(side.ends[-1]["expires"] - time.time() - 14 * 86400) < 60
    await side.step(say("nothing"))
    assert "user" not in side.ends[-1] and "expires" not in side.ends[-1]
    await side.step(say("rename"))
    assert side.ends[-1]["user"] == {**user, "name": "renamed"}
    await side.step(say("nothing"))
    assert "user" not in side.ends[-1]
    await side.step(say("log out"))
    assert side.ends[-1]["user"] is None and side.ends[-1]["expires"] is None


async def test_nobody_is_null(layer):
    side = side_of("/exports/", layer)
    await side.step(dict(CONNECT))
    assert side.ends[-1]["user"] is None and side.ends[-1]["expires"] is None


async def test_a_token_in_the_scope_gives_user_and_expiry(layer):
    side = side_of("/token/?1999999999", layer)
    await side.step(dict(CONNECT))
    assert side.ends[-1]["user"] == {"id": "7f", "name": "Bo", "is_admin": True}
    assert side.ends[-1]["expires"] == 1999999999


def with_rights(user):
    """A description that asks the database."""
    return {"id": user.pk, "groups": sorted(group.name for group in user.groups.all())}


async def with_rights_later(user):
    return {"id": user.pk, "groups": [group.name async for group in user.groups.all()]}


def without_id(user):
    return {"name": "x"}


@pytest.mark.parametrize("function", ["with_rights", "with_rights_later"])
async def test_a_description_may_ask_the_database(function, layer, anna, settings):
    settings.CHANNELGATE = {"SECRET": settings.SECRET, "DESCRIBE": f"{__name__}.{function}"}
    side = side_of("/exports/", layer, cookie=anna[1])
    await side.step(dict(CONNECT))
    assert side.ends[-1]["user"] == {"id": anna[0].pk, "groups": []}
    side = side_of("/exports/", layer)
    await side.step(dict(CONNECT))
    assert side.ends[-1]["user"] is None


async def test_a_description_without_an_id_is_an_error(layer, anna, settings):
    settings.CHANNELGATE = {"SECRET": settings.SECRET, "DESCRIBE": f"{__name__}.without_id"}
    side = side_of("/exports/", layer, cookie=anna[1])
    await side.step(dict(CONNECT))
    assert side.ends[-1]["end"] == "error" and 'has to return a dictionary with "id"' in side.ends[-1]["text"]


async def test_exported_values_are_told_after_each_call(layer, anna):
    side = side_of("/exports/", layer, cookie=anna[1])
    export = ["self.user.id", "self.user.username", "self.player", "self.nothing.at.all"]
    await side.step(dict(CONNECT), export=export)
    assert side.vars == {
        "user": {"id": anna[0].pk, "username": "anna"},
        "player": {"name": "x", "at": "2026-01-02"},
        "nothing": {"at": {"all": None}},
    }
    await side.step(say([1, 2]), export=["self.player"])
    assert side.vars == {"player": [1, 2]}
    trace = await side.step(say("x"), export=["self.user"])
    assert trace[-1] == (
        "end",
        "refused",
        "export",
        "project.consumers.Exports: self.user is a channels.auth.UserLazyObject, which is not a JSON value: name a"
        " field of it, such as self.user.id",
    )


async def test_a_denial_has_status_headers_and_body(layer):
    extensions = {"websocket.http.response": {}}
    side = side_of("/denier/", layer, extensions=extensions)
    trace = await side.step(dict(CONNECT))
    assert trace == [
        ("do", {"do": "deny", "status": 429, "headers": [["retry-after", "7"]]}),
        ("do", {"do": "deny_body", "bytes": "c2xvdyA="}),
        ("do", {"do": "deny_body", "bytes": "ZG93bg=="}),
        ("end", "stopped"),
    ]
    side = side_of("/denier/", layer)
    assert (await side.step(dict(CONNECT)))[0] == ("do", {"do": "close", "code": 1000})


async def test_containers_of_the_process_are_noted_once(layer):
    notes._noted.clear()
    side = side_of("/rooms/", layer)
    await side.step(dict(CONNECT))
    (note,) = side.notes
    assert note["kind"] == "shared"
    assert note["text"].startswith("project.consumers.Rooms changes ROOMS (consumers.py:")
    assert "Rooms.members (consumers.py:" in note["text"]
    again = side_of("/rooms/", layer)
    await again.step(dict(CONNECT))
    assert again.notes == []
    side = side_of("/json/", layer)
    await side.step(dict(CONNECT))
    assert side.notes == []


assert Exports
