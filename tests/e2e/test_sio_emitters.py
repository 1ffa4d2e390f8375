"""Other programs publish to Socket.IO clients through Redis: python-socketio of several versions, and redis-emitter."""

import asyncio
import json
import os
from pathlib import Path

import pytest
import redis.asyncio as redis
import stack
from rig.config import ECHO
from rig.driver import pack
from rig.system import LAYERS, System

PUBLISH = Path(__file__).parent / "rig" / "publish.py"
EMITTERS = stack.ROOT / ".venv" / "emitters"
PINNED = "5.18.1"
#: 5.13 pickles; 5.14.0 writes JSON without bytes; 5.15.0 with them; later ones always write a list of arguments.
VERSIONS = ["5.13.0", "5.14.0", "5.15.0", PINNED]

#: The destination of an event, and its receivers: `a` and `b` are in the room x, `b` also in y, `c` in none, `d` in
#: /admin.
ROUTES = {
    "everybody": ({}, "abc"),
    "a room": ({"to": ["room_x"]}, "ab"),
    "two rooms": ({"to": ["room_x", "room_y"]}, "ab"),
    "a room but for another": ({"to": ["room_x"], "except": ["room_y"]}, "a"),
    "a room but for a socket": ({"to": ["room_x"], "except": ["id of a"]}, "b"),
    "everybody but for a socket": ({"except": ["id of b"]}, "ac"),
    "a socket": ({"to": ["id of c"]}, "c"),
    "an empty room": ({"to": ["room_z"]}, ""),
    "another namespace": ({"namespace": "/admin"}, "d"),
    "a room of another namespace": ({"namespace": "/admin", "to": ["room_x"]}, ""),
}
#: Arguments for both kinds of emitters.
ARGUMENTS = {
    "none": [],
    "one": [{"text": "héllo", "n": 1, "nested": [None, True, 1.5]}],
    "two": ["a", {"b": 2}],
    "bytes": [b"\x00\xff"],
    "half an emoji": [{"\ude00x": ["y\ud83d"], "half": "\ud83d"}],
    "deep": [{"levels": json.loads("[" * 130 + "]" * 130)}],
    "nested bytes": [{"file": b"ab", "more": [b"cd"]}],
}
NOISE = [b"", b"\x80", b"\x93\x01", b"{", b'{"method":"emit"}', b"\x80\x04c__builtin__\neval\n.", b"[1]", b"\xc1" * 99]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two nodes."""
    system = System(tmp_path_factory.mktemp("emitters"), LAYERS["core"])
    try:
        for _ in range(2):
            system.start_node(wait=False, config=ECHO)
        system.wait()
        yield system
    finally:
        system.stop()


async def python(system, version: str, emits: list[dict]) -> None:
    """Emits through python-socketio of this version."""
    calls = []
    for emit in emits:
        args = emit["args"]
        data = None if not args else args[0] if len(args) == 1 else {"$tuple": args}
        call = {"event": emit["event"], "data": pack(data), "namespace": emit.get("namespace", "/")}
        if to := emit.get("to"):
            call["room"] = to if len(to) > 1 else to[0]
        if left_out := emit.get("except"):
            call["skip_sid"] = left_out
        calls.append(call)
    path = [] if version == PINNED else [str(EMITTERS / version)]
    process = await asyncio.create_subprocess_exec(
        stack.PYTHON,
        "-P",  # The script's folder has modules with names of the standard library's.
        PUBLISH,
        system.redis_url,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(json.dumps(calls).encode())
    assert output.decode().strip() == version


async def node(driver, system, emits: list[dict]) -> None:
    """Emits through @socket.io/redis-emitter."""
    for emit in emits:
        await driver.tell("publish", redis=system.redis_url, **emit)


@pytest.fixture(params=[*VERSIONS, "redis-emitter"])
def publish(request, driver, pair):
    """Emits everything in a list, in order, and has a name."""
    name = request.param

    async def publish(emits: list[dict]) -> None:
        await (node(driver, pair, emits) if name == "redis-emitter" else python(pair, name, emits))

    publish.version = name
    return publish


async def audience(pair, sockets) -> dict:
    first, second = (node.port for node in pair.nodes)
    members = {
        "a": await sockets.open(first),
        "b": await sockets.open(second, kind="py-polling"),
        "c": await sockets.open(second, kind="js-polling"),
        "d": await sockets.open(first, kind="py-websocket", namespace="/admin"),
    }
    await members["a"].ask("join", "x")
    await members["b"].ask("join", "x")
    await members["b"].ask("join", "y")
    return members


async def fenced(publish, members: dict, emits: list[dict]) -> dict[str, list]:
    """Publishes, waits until every client has received its events, and returns them."""
    places = [{}, {"namespace": "/admin"}, {"to": ["room_x"]}, {"to": ["room_y"]}]
    places += [{"to": [members[name].id]} for name in "abc"]
    # One for each destination: events in different rooms have no order between them.
    await publish([*emits, *({"event": "end", "args": [], **place} for place in places)])
    for name, ends in {"a": 3, "b": 4, "c": 2, "d": 1}.items():
        await members[name].args("end", ends)
    return {name: [tuple(event) for event in member.events if event.name != "end"] for name, member in members.items()}


def supported(version: str, emit: dict) -> bool:
    """Only redis-emitter can exclude a room; the others can exclude only sockets."""
    return version == "redis-emitter" or "room_y" not in emit.get("except", [])


async def test_an_emit_reaches_exactly_its_receivers_on_every_node(pair, sockets, publish):
    members = await audience(pair, sockets)

    def named(places: list[str]) -> list[str]:
        return [members[place[-1]].id if place.startswith("id of") else place for place in places]

    emits, expected = [], {name: [] for name in members}
    for what, (route, receivers) in ROUTES.items():
        if not supported(publish.version, route):
            continue
        route = {key: named(value) if isinstance(value, list) else value for key, value in route.items()}
        emits.append({"event": what, "args": [what], **route})
        for name in receivers:
            expected[name].append((what, [what]))
    got = await fenced(publish, members, emits)
    assert {name: sorted(events) for name, events in got.items()} == {
        name: sorted(events) for name, events in expected.items()
    }


async def test_arguments_arrive_unchanged(pair, sockets, publish):
    members = await audience(pair, sockets)
    # 5.14.0 has no bytes, and writes a tuple of arguments like a list that is one argument.
    # The msgpack of redis-emitter makes another character of half an emoji.
    left_out = {"5.14.0": ("bytes", "nested bytes", "two"), "redis-emitter": ("half an emoji",)}
    left_out = left_out.get(publish.version, ())
    emits = [{"event": what, "args": args} for what, args in ARGUMENTS.items() if what not in left_out]
    expected = [(emit["event"], emit["args"]) for emit in emits]
    if publish.version == "redis-emitter":
        emits.append({"event": "dates", "args": [{"$date": 1500}, [{"$date": -1}]]})
        expected.append(("dates", ["1970-01-01T00:00:01.500Z", ["1969-12-31T23:59:59.999Z"]]))
    got = await fenced(publish, members, emits)
    for name in "abc":
        assert got[name] == expected
    assert got["d"] == []


async def test_noise_on_the_emitters_channels_is_harmless(pair, sockets, driver):
    members = await audience(pair, sockets)
    async with redis.Redis.from_url(pair.redis_url) as connection:
        for channel in ("socketio", "socket.io#/#", "socket.io#/#room_x#"):
            for noise in (
                b"",
                b"\x80",
                b"\x93\x01",
                b"{",
                b'{"method":"emit"}',
                b"\x80\x04c__builtin__\neval\n.",
                b"[1]",
            ):
                await connection.publish(channel, noise)
    got = await fenced(lambda emits: node(driver, pair, emits), members, [{"event": "after", "args": [1]}])
    assert got["a"] == [("after", [1])]
