"""What a request has to be, and what becomes of one that is not: signature, shape, version, order, size."""

import json
import time

import pytest
from harness import node
from harness.signed import post, signature
from project.asgi import application

from channelgate.bridge import entry

CONNECT = {"type": "websocket.connect"}
HANDSHAKE = node.handshake_of("/json/")


def connect(**changes):
    call = {
        "v": 1,
        "connection": "k2Jx",
        "seq": 0,
        "channel_name": "specific.n!c.k2Jx",
        "consumer": "c",
        "scope": HANDSHAKE,
        "state": None,
        "event": CONNECT,
    }
    return {**call, **changes}


@pytest.fixture(params=["/channelgate/channels", "/gate/channels"])
def path(request):
    """Each door."""
    return request.param


async def status(path, body, headers):
    return (await post(application, path, body, headers)).status


async def test_only_a_signed_request_of_now_is_answered(path, layer, settings):
    body = json.dumps(connect()).encode()
    now = int(time.time())
    good = signature(body)
    assert await status(path, body, good) == 200
    assert await status(path, body, {}) == 401
    assert await status(path, body, {"x-channelgate-timestamp": str(now)}) == 401
    assert await status(path, body, {**good, "x-channelgate-signature": ""}) == 401
    assert await status(path, body + b" ", good) == 403
    assert await status(path, body, signature(body, secret="a guess")) == 403
    assert await status(path, body, {**good, "x-channelgate-timestamp": str(now + 1)}) == 403
    assert await status(path, body, {**good, "x-channelgate-signature": "é"}) == 403
    for stamp in (now - 350, now + 350, "never", "-1", "+5", "1" * 400):
        assert await status(path, body, signature(body, timestamp=stamp)) == 403, stamp
    assert await status(path, body, signature(body, timestamp=now - 250)) == 200
    assert await status(path, body, signature(body, timestamp=now + 250)) == 200
    settings.CHANNELGATE = {"SECRET": ["new", settings.SECRET, ""]}
    assert await status(path, body, good) == 200
    assert await status(path, body, signature(body, secret="new")) == 200
    assert await status(path, body, signature(body, secret="")) == 403
    for nothing in (None, "", []):
        settings.CHANNELGATE = {"SECRET": nothing}
        assert await status(path, body, signature(body, secret="")) == 404


MALFORMED = {
    "no JSON": b"{",
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "no event": connect(event=None),
    "no scope": connect(scope=None),
    "a scope without a path": connect(scope={}),
    "headers of another form": connect(scope={**HANDSHAKE, "headers": [["a"]]}),
    "headers beyond latin-1": connect(scope={**HANDSHAKE, "headers": [["cookie", "\u20ac"]]}),
    "a client that is not a pair": connect(scope={**HANDSHAKE, "client": "x"}),
    "no connection": connect(connection=""),
    "no channel": connect(channel_name=None),
    "a seq that is not a number": connect(seq="0"),
    "a negative seq": connect(seq=-1),
    "a state that is not text": connect(state={}),
    "an export that is not a list": connect(export="self.user"),
    "a message without content": connect(event={"type": "websocket.receive"}),
    "a message in bad base64": connect(event={"type": "websocket.receive", "bytes": "?"}),
    "a disconnect without code": connect(event={"type": "websocket.disconnect"}),
    "an empty batch": {"v": 1, "batch": []},
    "a large batch": {"v": 1, "batch": [connect()] * 65},
    "a batch of something": {"v": 1, "batch": [7]},
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_body_is_400(name, path, layer):
    response = await post(application, path, MALFORMED[name])
    assert response.status == 400, response.body
    assert json.loads(response.body)["message"]


@pytest.mark.parametrize("event", [{}, {"type": 7}, {"type": None, "n": 1}], ids=["none", "a number", "null"])
async def test_an_event_without_a_type_is_an_error_of_the_connection_as_in_channels(event, path, layer):
    state = (await post(application, path, connect())).lines[-1]["state"]
    response = await post(application, path, connect(seq=1, scope=None, state=state, event=event))
    assert response.status == 200, response.body
    assert response.lines[-1]["end"] == "error", response.lines


OF_A_LAYER = {
    "a connect": ({"type": "websocket.connect"}, {"error"}),
    "a message without content": ({"type": "websocket.receive"}, {"error", "open"}),
    "a message of no base64": ({"type": "websocket.receive", "bytes": "?"}, {"error", "open"}),
    "a message of a number": ({"type": "websocket.receive", "text": 7}, {"error", "open"}),
    "a disconnect without code": ({"type": "websocket.disconnect"}, {"error"}),
    "a disconnect with text": ({"type": "websocket.disconnect", "code": "x"}, {"error", "stopped"}),
}


@pytest.mark.parametrize("name", OF_A_LAYER)
async def test_what_anybody_sends_to_a_group_ends_no_other_call_of_its_batch(name, path, layer):
    event, ends = OF_A_LAYER[name]
    state = (await post(application, path, connect())).lines[-1]["state"]
    strange = connect(seq=1, scope=None, state=state, event=event)
    other = (await post(application, path, connect(connection="m3Lz"))).lines[-1]["state"]
    good = connect(connection="m3Lz", seq=1, scope=None, state=other, event={"type": "websocket.receive", "text": "{}"})
    response = await post(application, path, {"v": 1, "batch": [strange, good]})
    assert response.status == 200, response.body
    ended = {line["n"]: line["end"] for line in response.lines if "end" in line}
    assert ended[0] in ends and ended[1] == "open", response.lines


@pytest.mark.parametrize("version", [2, 0, None, "1", True])
async def test_another_version_is_refused_by_name(version, path, layer):
    response = await post(application, path, connect(v=version))
    assert response.status == 200
    (end,) = response.lines
    assert end == {
        "end": "refused",
        "kind": "version",
        "text": f"this package speaks version 1 of the bridge, the node version {version}:"
        " install the same release of both",
    }


async def test_a_large_body_is_413(path, layer, monkeypatch):
    from channelgate import views

    for module in (entry, views):
        monkeypatch.setattr(module, "CALL_LIMIT", 2000)
    assert (await post(application, path, connect())).status == 200
    assert (await post(application, path, connect(export=["x" * 2000]))).status == 413
    body = b" " * 2001
    headers = signature(body)
    assert await status(path, body, headers) == 413


async def test_other_requests_are_the_projects(layer):
    for method, where in (
        ("GET", "/channelgate/channels"),
        ("POST", "/channelgate/a/b"),
        ("POST", "/channelgate/"),
        ("POST", "/else"),
    ):
        assert (await post(application, where, b"", {}, method=method)).status == 404
    assert (await post(application, "/gate/channels", b"", {}, method="GET")).status == 405
    assert (await post(application, "/gate/channels", b"", {}, method="PUT")).status == 405


async def test_the_wrapper_answers_at_its_own_path_and_below_a_root_path(layer):
    async def inner(scope, receive, send):
        raise AssertionError("the request was the wrapper's")

    for prefix in ("/gateway/x/", "gateway/x", "/gateway/x"):
        wrapped = entry.bridge(inner, path=prefix)
        assert (await post(wrapped, "/gateway/x/channels", b"", {})).status == 401

    wrapped = entry.bridge(inner)

    async def rooted(scope, receive, send):
        await wrapped({**scope, "root_path": "/app"}, receive, send)

    assert (await post(rooted, "/app/channelgate/channels", b"", {})).status == 401
    with pytest.raises(TypeError, match="ASGI application"):
        entry.bridge(None)


async def test_a_state_is_of_one_connection_and_of_one_call(path, layer):
    first = (await post(application, path, connect())).lines[-1]
    message = {"type": "websocket.receive", "text": "1"}

    async def outcome(**changes):
        call = {**connect(seq=1, state=first["state"], event=message, scope=None), **changes}
        return (await post(application, path, call)).lines[-1]

    assert (await outcome())["end"] == "open"
    for changes in ({"connection": "another"}, {"seq": 2}, {"seq": 0}, {"state": first["state"][:-6] + "AAAAAA"}):
        end = await outcome(**changes)
        assert end["end"] == "refused" and end["kind"] == "signature", changes
        assert end["text"] == "the state was not signed by this project for this connection"
    end = await outcome(state=None)
    assert end == {"end": "refused", "kind": "state", "text": "no state was sent along"}


async def test_a_repeated_call_is_refused_where_a_cache_remembers(path, layer, settings):
    from django.core.cache import caches

    settings.CHANNELGATE = {"SECRET": settings.SECRET, "BRIDGE": {"REPLAY_CACHE": "replays"}}
    caches["replays"].clear()
    first = (await post(application, path, connect())).lines[-1]
    assert first["end"] == "open"
    assert (await post(application, path, connect())).lines[-1]["kind"] == "replay"
    leave = connect(seq=1, state=first["state"], scope=None, event={"type": "websocket.disconnect", "code": 1001})
    ends = [(await post(application, path, leave)).lines[-1]["end"] for _ in range(5)]
    # As often as a node sends it: once, and again three times.
    assert ends == ["stopped", "stopped", "stopped", "stopped", "refused"]
    assert (await post(application, path, connect(connection="other"))).lines[-1]["end"] == "open"


async def test_a_batch_runs_its_calls_at_once_and_each_has_its_end(path, layer):
    states = {}
    for name in ("a", "b", "c"):
        handshake = node.handshake_of(f"/slow-message/{name}/")
        states[name] = (await post(application, path, connect(connection=name, scope=handshake))).lines[-1]["state"]
    calls = [
        connect(connection=name, seq=1, scope=None, state=state, event={"type": "websocket.disconnect", "code": 1001})
        for name, state in states.items()
    ]
    calls[1]["state"] = states["a"]
    for call in calls:
        del call["v"], call["scope"]
    lines = (await post(application, path, {"v": 1, "batch": calls})).lines
    ends = {line["n"]: line["end"] for line in lines if "end" in line}
    assert ends == {0: "stopped", 1: "refused", 2: "stopped"}
    sent = {line["n"]: line["group"] for line in lines if line.get("do") == "group_send"}
    assert sent == {0: "a", 2: "c"}


async def test_frames_arrive_while_the_handler_goes_on(layer):
    from harness.signed import Exchange
    from project.consumers import Slow

    for door in ("/channelgate/channels", "/gate/channels"):
        Slow.GO.clear()
        handshake = node.handshake_of("/slow-message/frames/")
        state = (await post(application, door, connect(scope=handshake))).lines[-1]["state"]
        call = connect(seq=1, state=state, scope=None, event={"type": "websocket.receive", "text": "1"})
        body = json.dumps(call).encode()
        exchange = Exchange(application, door, body, signature(body))
        assert await exchange.response.until(1) == [{"do": "send", "text": '"began"'}]
        assert not exchange.task.done()
        Slow.GO["frames"].set()
        lines = (await exchange.finish()).lines
        assert [line.get("do") or line["end"] for line in lines] == ["send", "group_send", "send", "open"]


async def test_two_hundred_connections_at_once_keep_to_themselves(layer, anna):
    import asyncio

    async def run(number):
        sync = number % 2
        path = f"/sync/r{number}/" if sync else f"/keeper/{number}/00000000-0000-0000-0000-000000000007/"
        handshake = node.handshake_of(path, cookie=anna[1])
        base = connect(connection=f"c{number}", channel_name=f"specific.n!c.{number}")
        lines = (await post(application, "/channelgate/channels", {**base, "scope": handshake})).lines
        groups = {line["group"] for line in lines if line.get("do") == "group_add"}
        assert groups == ({"all", f"room_r{number}"} if sync else {"g"})
        for step in range(4):
            text = f"m{number}_{step}"
            event = {"type": "websocket.receive", "text": text if sync else json.dumps({"k": text})}
            call = {**base, "seq": step + 1, "state": lines[-1]["state"], "scope": None, "event": event}
            lines = (await post(application, "/channelgate/channels", call)).lines
            frames = [line["text"] for line in lines if line.get("do") == "send"]
            if sync:
                assert frames == [f"{step + 1} 1 Anna"]
                continue
            told = json.loads(frames[0])
            assert told["history"][-1] == text and len(told["seen"]) == step + 1
            assert all(seen.startswith(f"m{number}_") for seen in told["seen"])

    await asyncio.gather(*(run(number) for number in range(200)))


async def test_a_call_leaves_nothing_for_the_garbage_collector(layer, anna):
    import gc

    from project.consumers import JsonEcho

    base = connect(scope=node.handshake_of("/json/", cookie=anna[1]))
    gc.collect()
    gc.disable()
    try:
        lines = (await post(application, "/channelgate/channels", base)).lines
        for step in range(3):
            event = {"type": "websocket.receive", "text": '{"k": 1}'}
            call = {**base, "seq": step + 1, "state": lines[-1]["state"], "scope": None, "event": event}
            lines = (await post(application, "/channelgate/channels", call)).lines
            assert lines[-1]["end"] == "open"
            assert not [one for one in gc.get_objects() if type(one) is JsonEcho]
    finally:
        gc.enable()
