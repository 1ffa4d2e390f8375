"""Each script gives the same with Channels itself and behind a node, through each door of the package."""

import json

import pytest
from harness import node, truth
from project.asgi import application

CONNECT = {"type": "websocket.connect"}


def text(value):
    return {"type": "websocket.receive", "text": value}


def data(value):
    return {"type": "websocket.receive", "bytes": value}


def say(value):
    return text(json.dumps(value))


KEEPER = "/keeper/5/00000000-0000-0000-0000-000000000007/?a=1&b=%20"
SCRIPTS = {
    "sync": ("/sync/a/", [text("x"), data(b"y"), text("bye")]),
    "keeper": (KEEPER, [say({"k": "a"}), say({"k": "b"}), say({"k": "c"})]),
    "keeper of another route": (KEEPER.replace("keeper", "keeper-small"), [say({"k": "a"})]),
    "failure in a message": (KEEPER, [say({"k": "a"}), say({"k": "boom"})]),
    "StopConsumer in a message": (KEEPER, [say({"k": "stop"})]),
    "refused": ("/refuses/", []),
    "refused and told of it": ("/refuses-loudly/", []),
    "DenyConnection": ("/denies/", []),
    "AcceptConnection": ("/accepts/", [text("x")]),
    "opened later": ("/not-handled/", []),
    "accepted and closed": ("/accepts-and-closes/", []),
    "closed": ("/closes/", [text("null")]),
    "closed with a code": ("/closes/", [text("4321")]),
    "closed with a reserved code": ("/closes/", [text("1011")]),
    "closed with a text": ("/closes/", [text('"4000"')]),
    "failure before accept": ("/fails-at-once/", []),
    "failure after accept": ("/fails-accepted/", []),
    "failure in disconnect": ("/fails-to-leave/", []),
    "sent before accept": ("/too-early/", []),
    "accepted twice": ("/accepts-twice/", []),
    "empty frames": ("/empty/", [text("x")]),
    "json": ("/json/", [say({"a": "ä\U0001f600"}), text("no json")]),
    "json in bytes": ("/json/", [data(b"\x00\xff")]),
    "binary": ("/binary/", [data(b"\x00\xff"), data(b""), text("q")]),
    "an unknown type": ("/no-handler/", [text("nobody")]),
    "a private type": ("/no-handler/", [text("_private")]),
    "database": ("/database/one/", [say({"text": "first"}), say({"text": "second"})]),
    **{f"values: {name}": ("/values/", [text(name)]) for name in ("bytes", "floats", "dollars", "text", "tuple")},
    "groups": (
        "/groups/",
        [say(["join", "a"]), say(["say", "a"]), say(["leave", "a"]), say(["say", "a"]), say(["join another", "b"])],
    ),
    "language, time zone and context variables": ("/surrounded/", [text("a-b"), text("fr"), text("off"), text("end")]),
    "language and context variables of a sync consumer": ("/surrounded-sync/", [text("a"), text("b")]),
    "a registry that it leaves again": ("/comes-and-goes/", [text("x"), text("y")]),
    "channels": ("/groups/", [say(["tell", "worker"]), say(["tell myself", "x"]), say(["second", "y"])]),
    "a bad group": ("/groups/", [say(["join", "a b"])]),
    "a bad group to send to": ("/groups/", [say(["say", "ä"])]),
    "a bad channel": ("/groups/", [say(["tell", "a b"])]),
    "an event without a type": ("/groups/", [say(["join", "a"]), {"no": "type"}]),
    "a type that is not text": ("/groups/", [{"type": 7}]),
    "a message of the layer like the client's": ("/groups/", [{"type": "websocket.receive", "text": '["join", "a"]'}]),
    "raw": ("/raw/", [text("x"), data(b"y")]),
    "raw and sync": ("/raw-sync/", [text("x"), text("stop")]),
    "dispatch and __call__": ("/dispatcher/", [text("x"), text("y")]),
    "a short task": ("/short/", [text("x")]),
    "tasks that are awaited": ("/gathers/", [text("x")]),
    "streams": ("/streams/", [text("one two three")]),
    "the scope": ("/query/?x=%2F&y", [text("x")]),
    "the server's part of the scope changed in place": ("/changes-scope/", [text("a"), text("b"), text("c")]),
    "middleware that adds": ("/tag/", [text("x")]),
    "middleware that wraps send": ("/shout/", [say(1), say([2])]),
    "middleware that wraps receive": ("/slow/", [say("banana")]),
    "middleware that refuses": ("/gate/", []),
    "middleware that lets pass": ("/gate/?ok", [say(1)]),
    "login and session": ("/logs-in/", [say("count"), say("in"), say("count"), say("out"), say("count")]),
    "send wrapped in __call__": ("/wraps-in-call/", [text("x"), text("y")]),
    "made by hand": ("/made/", [text("x"), text("y")]),
    "made late": ("/made-late/", [text("x"), text("y")]),
    "a nested router": ("/nested/x/", [text("x")]),
    "re_path": ("/re/x/", [text("x")]),
    "no route": ("/nope/", []),
    "an application that says no": ("/lazy/", []),
}
#: Frames that come after the handler.
LATER = {"a short task": {0: 2}}


async def play(side, steps, name):
    """Plays a script until its connection ends; a refused one hears 1006, as from every server."""
    traces = [await side.step(dict(CONNECT), LATER.get(name, {}).get(0, 0))]
    for event in steps:
        if side.over or side.closed:
            break
        traces.append(await side.step(dict(event)))
    if not side.over:
        code = 1006 if side.closed and len(traces) == 1 else 4001 if side.closed else 1001
        traces.append(await side.step({"type": "websocket.disconnect", "code": code}))
    await side.close()
    return traces


def doors():
    return {"wrapper": node.wrapper(application), "urls": node.urls_asgi(application), "wsgi": node.urls_wsgi()}


def strip(traces):
    """A consumer that does not stop is ended by the server, and one that failed to leave has ended."""
    stripped = [[entry for entry in trace if entry != ("end", "stopped")] for trace in traces]
    # As text: NaN is not equal to itself.
    return [repr(trace) for trace in stripped if trace]


@pytest.mark.parametrize("name", SCRIPTS)
async def test_the_same_as_channels(name, layer, anna):
    path, steps = SCRIPTS[name]
    # A logout ends the session for everybody who has it.
    cookie = None if name == "login and session" else anna[1]
    described = node.handshake_of(path, cookie=cookie, subprotocols=["v1", "v2"])
    wanted = await play(truth.Truth(application, node.scope_of(described), layer), steps, name)
    for door, ask in doors().items():
        layer.groups.clear()
        layer.queues.clear()
        got = await play(node.Node(ask, described, layer), steps, name)
        assert strip(got) == strip(wanted), door


@pytest.mark.parametrize("how", [{"MODELS": "pk"}, {"MIDDLEWARE": "every"}])
@pytest.mark.parametrize("name", ["sync", "keeper", "database", "middleware that wraps send", "opened later"])
async def test_the_same_in_every_mode(name, how, layer, anna, settings):
    path, steps = SCRIPTS[name]
    described = node.handshake_of(path, cookie=anna[1], subprotocols=["v1", "v2"])
    wanted = await play(truth.Truth(application, node.scope_of(described), layer), steps, name)
    settings.CHANNELGATE = {"SECRET": settings.SECRET, "BRIDGE": how}
    layer.groups.clear()
    layer.queues.clear()
    got = await play(node.Node(node.wrapper(application), described, layer), steps, name)
    if how.get("MIDDLEWARE") == "every" and name == "keeper":
        # The user of the scope is read anew, and is another object than the consumer's.
        got, wanted = (
            json.loads(json.dumps(side).replace('\\"same\\": true', '\\"same\\": false')) for side in (got, wanted)
        )
    assert strip(got) == strip(wanted)
