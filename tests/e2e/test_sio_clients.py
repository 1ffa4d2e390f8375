"""The features that real clients can use: transports, acknowledgements both ways, bytes, namespaces, rooms."""

import asyncio
import json

import pytest
from rig.config import ECHO
from rig.driver import DriverError
from rig.sio import KINDS
from rig.system import LAYERS, System

VALUES = [
    None,
    True,
    0,
    -1.5,
    2**53 - 1,
    "",
    "Schöne Grüße ☕ 😀 \u2028 \x1e \x00",
    [],
    {},
    [[], [None, {"a": [1, {"b": {}}]}]],
    {"ключ": "значение", "_placeholder": "no", "num": 0},
    "x" * 300_000,
    b"",
    b"\x00\xff" * 1000,
    "\ud83d",
    {"\ud83d": ["x\ude00", {"\ude00\ud83d": None}]},
    {"half": "\ud83d", "file": b"bytes"},
    json.loads("[" * 400 + "]" * 400),
    {"file": b"first", "more": [b"second", {"third": b"third"}], "name": "three of them"},
]


@pytest.fixture(scope="module", params=[1, 3])
def echo(request, tmp_path_factory):
    """One node; and three behind nginx, without affinity."""
    system = System(tmp_path_factory.mktemp("echo"), LAYERS["core"])
    try:
        for _ in range(request.param):
            system.start_node(wait=False, config=ECHO)
        system.wait()
        if request.param > 1:
            system.start_nginx()
        yield system
    finally:
        system.stop()


async def test_the_transport_is_the_one_that_was_asked_for_and_an_upgrade_ends_on_websocket(echo, clients):
    client = await clients.open(echo.port)
    wanted = KINDS[clients.kind][1]
    await client.wait(lambda: client.transports[-1] == wanted[-1], f"the last of {wanted}; {client.transports}")
    assert await client.ask("echo", "works") == ["works"]
    assert client.disconnects == []


async def test_every_value_comes_back_unchanged(echo, clients):
    client = await clients.open(echo.port)
    for value in VALUES:
        assert await client.ask("echo", value) == [value], repr(value)[:80]
    assert await client.ask("echo", *VALUES[:6], b"bytes") == [*VALUES[:6], b"bytes"]
    assert await client.ask("echo") == []
    for value in VALUES:
        await client.emit("say", value, 1)
    await client.args("said", len(VALUES))
    assert client.all("said") == [[value, 1] for value in VALUES]


async def test_many_questions_at_once_get_each_its_own_answer_and_events_keep_their_order(echo, clients):
    client = await clients.open(echo.port)
    answers = await asyncio.gather(*(client.ask("echo", number) for number in range(200)))
    assert answers == [[number] for number in range(200)]
    for number in range(500):
        await client.emit("say", number)
    await client.args("said", 500)
    assert client.all("said") == [[number] for number in range(500)]


async def test_messages_to_a_room_reach_it_on_every_node(echo, clients):
    room, other = f"{clients.kind}-1", f"{clients.kind}-2"
    members = [await clients.open(echo.port, kind=kind) for kind in (clients.kind, "js-websocket", "py-websocket")]
    outside = await clients.open(echo.port)
    for client in members:
        assert await client.ask("join", room) == ["joined"]
    assert await outside.ask("join", other) == ["joined"]
    await members[0].emit("tell", room, {"n": 1, "bytes": b"\x00\xff"})
    await members[0].emit("tell_others", room, "others")
    await members[0].emit("tell", room, "last")
    first, second = {"n": 1, "bytes": b"\x00\xff"}, "others"
    for client in members:
        expected = [[first], ["last"]] if client is members[0] else [[first], [second], ["last"]]
        await client.args("told", len(expected))
        assert client.all("told") == expected
    # First without one member of the room, then to everyone.
    assert await members[1].ask("leave", room) == ["left"]
    await members[0].emit("tell", room, "without one")
    for client in (members[0], members[2]):
        await client.wait(lambda client=client: ["without one"] in client.all("told"), "the word in the room")
    await members[0].emit("tell_all", f"all {clients.kind}")
    for client in (*members, outside):
        await client.wait(lambda client=client: client.all("told")[-1:] == [[f"all {clients.kind}"]], "the last word")
    assert ["without one"] not in members[1].all("told")
    assert len(outside.all("told")) == 1


async def test_a_client_acknowledges_events_of_the_node(echo, clients):
    client = await clients.open(echo.port, answers={"question": ["yes", b"\x01", {"n": 1}]})
    await client.emit("ask_me", "really?")
    assert await client.data("question") == "really?"
    assert await client.data("answered") == ["yes", b"\x01", {"n": 1}]


async def test_a_missing_acknowledgement_times_out_as_configured(echo, sockets):
    client = await sockets.open(echo.port, answers={"question": None})
    await client.emit("ask_me_briefly", "hello?")
    assert await client.args("unanswered") == []
    assert await client.ask("echo", "still there") == ["still there"]


async def test_namespaces_are_separate(echo, clients):
    main, admin = await clients.open(echo.port), await clients.open(echo.port, namespace="/admin")
    assert await admin.ask("echo", 7) == [7]
    await main.emit("tell_all", "main only")
    await main.wait(lambda: ["main only"] in main.all("told"), "the word")
    assert await admin.ask("echo", 8) == [8]
    assert admin.all("told") == []
    refusal = await (await clients.start(echo.port, namespace="/nowhere")).refused()
    assert refusal["message"] == "Invalid namespace"


async def test_an_event_without_a_handler_is_not_acknowledged(echo, sockets):
    client = await sockets.open(echo.port)
    with pytest.raises(DriverError):
        await sockets.driver.tell("emit", socket=client.name, event="nobody", args=[1], ack=300)
    assert await client.ask("echo", 1) == [1]


async def test_a_node_may_disconnect_a_client(echo, clients):
    client = await clients.open(echo.port)
    await client.emit("bye")
    await client.wait(lambda: client.disconnects, "the disconnect")
    assert client.disconnects[0] in ("io server disconnect", "server disconnect")
