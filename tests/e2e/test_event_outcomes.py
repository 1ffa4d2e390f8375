"""What an event asks of a connection besides its frame: to close, to leave and join groups, and not too often.

The same script runs on consumers under Daphne, on nodes that need no Python for it, and on a node that runs those very
consumers and maps some of their events itself.
"""

import asyncio
import contextlib
import json
import signal

import pytest
import redis.asyncio
import stack
from rig.client import Client, until
from rig.sio import KINDS
from rig.tail import Tail

OUTCOMES = """
[consumer.on_event."desk.told"]
send = "{'told': event.n}"
throttle = "1/60s"
[consumer.on_event."desk.closed"]
send = "{'n': event.n}"
close = { code = 4001, reason = "{{ event.why }} at {{ DESK }}" }
[consumer.on_event."desk.ended"]
close = "event.code"
[consumer.on_event."desk.moved"]
send = "{'n': event.n}"
leave = "desk_{{ event.of }}"
join = "desk_{{ event.to }}"
"""
CONFIG = f"""
[[consumer]]
path = "/ws/desks/<str:desk>/<str:who>/"
groups = ["desk_{{{{ route.desk }}}}"]
max_rooms = 3
[consumer.on_message."*"]
reply = "{{'at': message.at}}"
[consumer.on_event."desk.said"]
send = "{{'n': event.n}}"
[consumer.on_event."desk.paired"]
send = "{{'n': event.n}}"
join = "desk_{{{{ event.with }}}}_{{{{ route.who }}}}"
[consumer.on_event."desk.left"]
send = "{{'n': event.n}}"
leave = "desk_{{{{ route.desk }}}}"
{OUTCOMES.replace("DESK", "route.desk")}

[[consumer]]
name = "sockets"
path = "/socket.io/"
protocol = "socket.io"
groups = ["desk_{{{{ query.desk }}}}"]
[consumer.on_message.at]
reply = {{ event = "at", data = "1" }}
[consumer.on_event."desk.said"]
emit = {{ event = "said", data = "event.n" }}
[consumer.on_event."desk.told"]
emit = {{ event = "told", data = "event.n" }}
throttle = "1/60s"
[consumer.on_event."desk.moved"]
emit = {{ event = "said", data = "event.n" }}
leave = "desk_{{{{ event.of }}}}"
join = "desk_{{{{ event.to }}}}"
[consumer.on_event."desk.ended"]
emit = {{ event = "said", data = "event.n" }}
disconnect = true

[[consumer]]
name = "engines"
path = "/engine.io/"
protocol = "engine.io"
groups = ["desk_{{{{ query.desk }}}}"]
[consumer.on_raw.at]
reply_raw = "message"
[consumer.on_event."desk.said"]
send = "event.n"
[consumer.on_event."desk.told"]
send = "event.n"
throttle = "1/60s"
[consumer.on_event."desk.moved"]
send = "event.n"
leave = "desk_{{{{ event.of }}}}"
join = "desk_{{{{ event.to }}}}"
[consumer.on_event."desk.ended"]
send = "event.n"
disconnect = true

[[consumer]]
name = "others"
path = "/socket.io/"
protocol = "socket.io"
namespace = "/others"
groups = ["desk_{{{{ query.desk }}}}"]
[consumer.on_event."*"]
emit = {{ event = "other", data = "event.n" }}
"""
#: The consumers themselves, with some of their events mapped.
BRIDGED = f"""
[server]
allowed_origins = ["127.0.0.1"]
[[consumer]]
path = "/ws/desks/<str:desk>/<str:who>/"
django = true
export = ["self.desk"]
{OUTCOMES.replace("DESK", "vars.desk")}
"""


@pytest.fixture(scope="module")
def desks(module_system, database):
    """Django under Daphne, two nodes without it, and one that runs its consumers."""
    module_system.start_django(database, wait=False)
    for _ in range(2):
        module_system.start_node(wait=False, config=CONFIG)
    backend = {"CHANNELGATE_BACKEND_URL": f"http://{stack.LOOPBACK}:{module_system.django.port}/channelgate"}
    secret = {"CHANNELGATE_BACKEND_SECRET": stack.BACKEND_SECRET}
    module_system.start_node(wait=False, config=BRIDGED, **backend, **secret)
    module_system.wait()
    return module_system


class Desk:
    """A client on every target, at one desk."""

    def __init__(self, desks, layer, name: str):
        self.targets = {"daphne": desks.django, **dict(zip(("node", "second", "bridged"), desks.nodes, strict=False))}
        self.bus = redis.asyncio.from_url(desks.redis_url)
        self.layer, self.name = layer, name
        self.clients: dict[str, Client] = {}
        self.sent = self.asked = 0

    async def open(self) -> "Desk":
        for target, part in self.targets.items():
            if target != "daphne":
                await until(lambda part=part: stack.http_status(part.port, "/health/ready") == 200, "a ready node")
            self.clients[target] = await Client.open(part.port, f"/ws/desks/{self.name}/ann/")
        return self

    async def send(self, kind: str, group: str = "", **event) -> int:
        self.sent += 1
        await self.layer.group_send(f"desk_{group or self.name}", {"type": kind, "n": self.sent, **event})
        return self.sent

    async def members(self, group: str, number: int) -> None:
        """Waits until a group has this many members in the channel layer, where a node counts once, and until every
        client's consumer is done with what it was asked before: a join is complete later than Redis has it."""
        key = f"asgi:group:desk_{group}"

        async def has() -> bool:
            return await self.bus.zcard(key) == number

        await until(has, f"{number} members of {group}")
        self.asked += 1
        for target, client in self.clients.items():
            await client.send({"at": self.asked})
            await until(lambda client=client: {"at": self.asked} in client.json(), f"an answer of {target}")

    async def have(self, *frames: dict) -> None:
        """Every client has got these frames, and nothing else so far."""
        for target, client in self.clients.items():
            await client.count_of(len(frames) + self.asked)
            assert [frame for frame in client.json() if "at" not in frame] == list(frames), target

    async def gone(self) -> dict[str, tuple[int, str]]:
        return {target: await client.gone() for target, client in self.clients.items()}

    @contextlib.asynccontextmanager
    async def stopped(self):
        """Nobody handles what is sent meanwhile before all of it is sent."""
        parts = list(self.targets.values())
        for part in parts:
            part.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for part in parts:
                part.signal(signal.SIGCONT)

    async def close(self) -> None:
        for client in self.clients.values():
            await client.close()
        await self.bus.aclose()


@pytest.fixture
async def opened(desks):
    """Opens desks, which are closed at the end."""
    all_desks = []
    async with desks.publisher() as layer:

        async def open_desk(name: str) -> Desk:
            desk = await Desk(desks, layer, name).open()
            all_desks.append(desk)
            return desk

        yield open_desk
        for desk in all_desks:
            await desk.close()


def n(*numbers: int) -> list[dict]:
    return [{"n": number} for number in numbers]


async def test_an_event_closes_after_its_frame(opened):
    desk = await opened("closing")
    async with desk.stopped():
        await desk.send("desk.said")
        await desk.send("desk.closed", why="the end")
        await desk.send("desk.said")
    # Daphne sends no reason.
    reasons = dict.fromkeys(desk.targets, "the end at closing") | {"daphne": ""}
    assert await desk.gone() == {target: (4001, reason) for target, reason in reasons.items()}
    await desk.have(*n(1, 2))


async def test_an_event_says_the_code(opened):
    desk = await opened("coded")
    await desk.send("desk.ended", code=4321)
    assert await desk.gone() == dict.fromkeys(desk.targets, (4321, ""))
    await desk.have()


async def test_an_event_moves_connections_to_another_group(opened):
    desk = await opened("old")
    async with desk.stopped():
        await desk.send("desk.said")
        await desk.send("desk.moved", of="old", to="new")
        await desk.send("desk.said")
    # Daphne counts each connection, a node the group.
    await desk.members("new", len(desk.targets))
    await desk.members("old", 0)
    # What was sent to the old group before they left it still came.
    await desk.have(*n(1, 2, 3))
    await desk.send("desk.said")
    await desk.send("desk.said", "new")
    await desk.have(*n(1, 2, 3, 5))
    # Where they are already, and from where they are not.
    await desk.send("desk.moved", "new", of="old", to="new")
    await desk.send("desk.said", "new")
    await desk.have(*n(1, 2, 3, 5, 6, 7))


async def test_what_was_published_to_the_old_group_before_the_event_still_comes(opened):
    """Also if the event overtakes it: it comes by a plain publish, which waits in no queue of the channel layer."""
    desk = await opened("overtaken")
    async with desk.stopped():
        # A queue of channels_redis has room for 100.
        for _ in range(90):
            await desk.send("desk.said")
        moved = {"type": "desk.moved", "n": 0, "of": "overtaken", "to": "elsewhere"}
        await desk.bus.publish("channelgate:desk_overtaken", json.dumps(moved))
    for target in ("node", "second", "bridged"):
        client = desk.clients[target]
        await client.count_of(91)
        assert sorted(frame["n"] for frame in client.json()) == list(range(91)), target
        assert [frame for frame in client.json() if frame["n"]] == n(*range(1, 91)), target


async def test_groups_of_an_outcome_depend_on_the_connection(opened):
    desk = await opened("pairs")
    await desk.send("desk.paired", **{"with": "bob"})
    await desk.have(*n(1))
    await desk.members("bob_ann", len(desk.targets))
    await desk.send("desk.left")
    await desk.members("pairs", 0)
    await desk.send("desk.said")
    await desk.send("desk.said", "bob_ann")
    await desk.have(*n(1, 2, 4))


async def test_round_and_round(opened):
    """A loop of joins and leaves on all nodes: no event comes twice, none is missing, none out of order."""
    desk = await opened("round0")
    for number in range(12):
        async with desk.stopped() if number < 2 else contextlib.nullcontext():
            await desk.send("desk.said", f"round{number}")
            await desk.send("desk.moved", f"round{number}", of=f"round{number}", to=f"round{number + 1}")
        # Nodes and Daphne leave before they join.
        await desk.members(f"round{number + 1}", len(desk.targets))
    await desk.have(*n(*range(1, 25)))


async def test_a_connection_gets_a_handlers_events_at_its_rate(desks, opened):
    desk = await opened("rated")
    native = desks.nodes[0]
    before = desks.metric(native, "channelgate_drops_total", reason="throttled")
    tail = await Tail.start(desks, native)
    async with desk.stopped():
        for _ in range(20):
            await desk.send("desk.told")
        await desk.send("desk.said")
    await desk.have({"told": 1}, {"n": 21})
    await tail.wait(lambda tail: len(tail.json("dropped")) == 19, "every drop")
    assert tail.json("dropped")[0] == {
        "groups": ["desk_rated"],
        "kind": "dropped",
        "reason": "throttled",
        "count": 1,
        "consumer": "/ws/desks/<str:desk>/<str:who>/",
        "detail": 'an event of type "desk.told", more often than 1/60s',
    }
    await tail.stop()
    assert desks.metric(native, "channelgate_drops_total", reason="throttled") == before + 19


async def test_a_storm_on_a_throttle_costs_nothing_that_stays(desks, opened):
    desk = await opened("storm")
    native, bridged = desks.nodes[0], desks.nodes[2]
    before = {node: desks.metric(node, "channelgate_drops_total", reason="throttled") for node in (native, bridged)}
    told = json.dumps({"type": "desk.told", "n": 7})
    for _ in range(100):
        async with desk.bus.pipeline(transaction=False) as many:
            for _ in range(100):
                many.publish("channelgate:desk_storm", told)
            await many.execute()
    await desk.bus.publish("channelgate:desk_storm", json.dumps({"type": "desk.said", "n": 8}))
    for target in ("node", "second"):
        await desk.clients[target].count_of(2)
        assert desk.clients[target].json() == [{"told": 7}, {"n": 8}]
    for node, start in before.items():

        async def is_counted(node=node, start=start) -> bool:
            return desks.metric(node, "channelgate_drops_total", reason="throttled") == start + 9_999

        await until(is_counted, "every drop")


async def test_a_connection_joins_no_more_rooms_by_events_than_by_messages(desks, opened):
    desk = await opened("rooms")
    node, client = desks.nodes[0], desk.clients["node"]
    before = desks.metric(node, "channelgate_refused_messages_total", reason="too_many_rooms")
    for number in range(5):
        moved = {"type": "desk.moved", "n": number, "of": "nowhere", "to": f"room{number}"}
        await desk.bus.publish("channelgate:desk_rooms", json.dumps(moved))
    await client.count_of(5)

    async def is_counted() -> bool:
        return desks.metric(node, "channelgate_refused_messages_total", reason="too_many_rooms") == before + 2

    await until(is_counted, "two rooms too many")
    for number in range(5):
        await desk.bus.publish(f"channelgate:desk_room{number}", json.dumps({"type": "desk.said", "n": 10 + number}))
    await desk.bus.publish("channelgate:desk_rooms", json.dumps({"type": "desk.said", "n": 20}))
    assert await client.count(9) == n(0, 1, 2, 3, 4, 10, 11, 12, 20)


async def test_what_cannot_be_said_is_dropped_and_the_frame_is_sent(desks, opened):
    """As with any expression that fails on an event; under Daphne, and in its consumers, it is an exception."""
    desk = await opened("bad")
    node = desks.nodes[0]
    before = desks.metric(node, "channelgate_drops_total", reason="mapping")
    await desk.send("desk.moved", of="bad")
    ends = {target: desk.clients[target] for target in ("daphne", "bridged")}
    assert {target: (await client.gone())[0] for target, client in ends.items()} == dict.fromkeys(ends, 1011)
    await desk.send("desk.said")
    for target in ("node", "second"):
        assert await desk.clients[target].count(2) == n(1, 2)
    assert desks.metric(node, "channelgate_drops_total", reason="mapping") == before + 1


#: How socket.io-client connects: by WebSocket, by polling, and with an upgrade.
OF_JS = [kind for kind, (client, _) in KINDS.items() if client == "js"]


async def test_outcomes_of_socketio(desks, sockets):
    """Rooms, the end of one namespace, and a throttle, for clients on two nodes."""
    places = [(node.port, kind) for node in desks.nodes[:2] for kind in OF_JS]
    clients = [await sockets.open(port, kind=kind, query={"desk": "sio"}) for port, kind in places]
    others = [await sockets.open(node.port, namespace="/others", query={"desk": "sio"}) for node in desks.nodes[:2]]
    async with desks.publisher() as layer, redis.asyncio.from_url(desks.redis_url) as bus:
        await move(layer, bus, "sio", clients)
        for client in clients:
            await client.data("said", 2)
            assert client.events == [("told", [1]), ("said", [4]), ("at", [1]), ("said", [6])]
        await end(layer, "sio")
        for client in clients:
            await client.wait(lambda client=client: client.disconnects, "the end of the namespace")
            assert client.disconnects == ["io server disconnect"]
            assert client.events[4:] == [("said", [7])]
        for other in others:
            await other.data("other", 6)
            assert [args for _, args in other.events] == [[1], [2], [3], [4], [5], [9]]
            assert other.connected


async def test_outcomes_of_engineio(desks, sockets):
    """The same for clients without Socket.IO, which has no namespaces: their connection ends."""
    places = [(node.port, kind) for node in desks.nodes[:2] for kind in OF_JS]
    options = {"path": "/engine.io/", "query": {"desk": "eio"}}
    clients = [await sockets.engine(port, kind=kind, **options) for port, kind in places]
    async with desks.publisher() as layer, redis.asyncio.from_url(desks.redis_url) as bus:
        await move(layer, bus, "eio", clients)
        for client in clients:
            await client.data("message", 4)
            assert client.events == [("message", [text]) for text in ("1", "4", "at", "6")]
        await end(layer, "eio")
        for client in clients:
            await client.wait(lambda client=client: client.disconnects, "the end")
            assert client.disconnects == ["transport close"]
            assert client.events[4:] == [("message", ["7"])]


async def move(layer, bus, desk: str, clients) -> None:
    """Events that come too often; then connections on two nodes move to another room, and each room gets one more."""

    async def has_moved() -> bool:
        return await bus.zcard(f"asgi:group:desk_{desk}2") == 2

    for number in (1, 2, 3):
        await layer.group_send(f"desk_{desk}", {"type": "desk.told", "n": number})
    await layer.group_send(f"desk_{desk}", {"type": "desk.moved", "n": 4, "of": desk, "to": f"{desk}2"})
    await until(has_moved, "both nodes in the other room")
    for client in clients:
        await client.wait(lambda client=client: len(client.events) >= 2, "both events")
        # A join is complete later than Redis has it: what the client says then waits for it.
        await client.emit("at", "at")
        await client.wait(lambda client=client: len(client.events) >= 3, "an answer")
    await layer.group_send(f"desk_{desk}", {"type": "desk.said", "n": 5})
    await layer.group_send(f"desk_{desk}2", {"type": "desk.said", "n": 6})


async def end(layer, desk: str) -> None:
    """The end of those who have moved, and an event after it for each room."""
    await layer.group_send(f"desk_{desk}2", {"type": "desk.ended", "n": 7})
    await layer.group_send(f"desk_{desk}2", {"type": "desk.said", "n": 8})
    await layer.group_send(f"desk_{desk}", {"type": "desk.said", "n": 9})


async def test_many_connections_move_at_once(desks):
    """One event for many members of a group: all of them are moved, with a bounded number of commands to Redis."""
    async with desks.publisher() as layer, redis.asyncio.from_url(desks.redis_url) as bus:
        port = desks.nodes[0].port
        clients = await asyncio.gather(*(Client.open(port, f"/ws/desks/many/{who}/") for who in range(300)))
        await layer.group_send("desk_many", {"type": "desk.moved", "n": 1, "of": "many", "to": "more"})
        for client in clients:
            await client.count_of(1)

        async def has_moved() -> bool:
            return await bus.zcard("asgi:group:desk_more") == 1 and await bus.zcard("asgi:group:desk_many") == 0

        await until(has_moved, "the node to be in the other group only")
        await layer.group_send("desk_more", {"type": "desk.said", "n": 2})
        for client in clients:
            assert await client.count(2) == n(1, 2)
        await layer.group_send("desk_more", {"type": "desk.ended", "code": 4000, "n": 3})
        assert {await client.gone() for client in clients} == {(4000, "")}


async def test_a_join_that_redis_refuses_is_counted_and_the_connection_stays(desks, opened):
    desk = await opened("full")
    node = desks.nodes[0]
    client = desk.clients["node"]
    publish = "channelgate:desk_full"
    before = desks.metric(node, "channelgate_refused_messages_total", reason="not_joined")
    await desk.bus.config_set("maxmemory", "1")
    try:
        moved = {"type": "desk.moved", "n": 1, "of": "nowhere", "to": "elsewhere"}
        await desk.bus.publish(publish, json.dumps(moved))
        await client.count_of(1)

        async def is_counted() -> bool:
            return desks.metric(node, "channelgate_refused_messages_total", reason="not_joined") == before + 1

        await until(is_counted, "the join that failed")
        await desk.bus.publish(publish, json.dumps({"type": "desk.said", "n": 2}))
        assert await client.count(2) == n(1, 2)
    finally:
        await desk.bus.config_set("maxmemory", "0")
