"""A snapshot that no event overtakes: at the connect, and after a join, with an event at every moment of the call.

The same script runs on Channelgate and on what it replaces: consumers under Daphne, and a Socket.IO server on Node.
"""

import asyncio
import functools
import json
import threading

import pytest
import redis.asyncio
import stack
from rig import answers
from rig.client import Client, until
from rig.sio import Socket, Sockets

CONFIG = """
[[consumer]]
path = "/ws/boards/<str:name>/"
groups = ["board_{{ route.name }}"]
[consumer.on_gap]
when = "query.gaps == '1'"
send = "{'gap': gap.reason}"
[consumer.on_event.board_event]
send = "{'n': event.n}"
[consumer.on_connect.call]
action = "snapshot"
data = "route.name"
ok.reply = "{'board': route.name, 'items': result.body}"
[consumer.on_message.open]
join = "board_{{ message.board }}"
[consumer.on_message.open.call]
action = "snapshot"
data = "message.board"
ok.reply = "{'board': message.board, 'items': result.body}"

[[consumer]]
path = "/socket.io/"
protocol = "socket.io"
auth = ["anonymous"]
groups = ["board_{{ query.board }}"]
[consumer.on_event.board_event]
emit = { event = "item", data = "{'n': event.n}" }
[consumer.on_connect.call]
action = "snapshot"
data = "query.board"
ok.reply = { event = "items", data = "{'board': query.board, 'items': result.body}" }
[consumer.on_message.open]
join = "board_{{ args[0] }}"
[consumer.on_message.open.call]
action = "snapshot"
data = "args[0]"
ok.reply = { event = "items", data = "{'board': args[0], 'items': result.body}" }
"""


#: A call lasts for as long as the test does not permit its answer.
PATIENT = {"CHANNELGATE__BACKEND__TIMEOUT": "60s"}


class Items:
    """The service that has the items: each answer waits until the test permits it."""

    def __init__(self):
        self.asked: list[str] = []
        self.permits: dict[str, threading.Event] = {}

    def __call__(self, call: dict):
        self.asked.append(call["data"])
        permit = self.permits.get(call["data"])
        assert permit is None or permit.wait(30), "the test has not permitted the answer"
        return [call["data"], "as it was"]

    def block(self, board: str) -> None:
        self.permits[board] = threading.Event()
        self.asked.clear()

    async def is_asked(self, board: str, times: int) -> None:
        await until(lambda: self.asked.count(board) >= times, f"{times} calls for {board}")


@pytest.fixture(scope="module")
def items():
    return Items()


@pytest.fixture(scope="module")
def backend(items):
    with answers.backend() as backend:
        backend.answers["snapshot"] = items
        yield backend


@pytest.fixture(scope="module")
def boards(module_system, database, backend):
    """Django under Daphne, and a node."""
    module_system.start_django(database, wait=False, BOARDS_URL=backend.url)
    module_system.start_node(wait=False, config=CONFIG, CHANNELGATE_BACKEND_URL=backend.url, **PATIENT)
    module_system.wait()
    return module_system


@pytest.fixture(scope="module")
def socketio_server(module_system, backend):
    port = stack.free_port()
    script = stack.ROOT / "tests" / "socketio" / "board.js"
    argv = [stack.tool("node"), str(script), str(port), module_system.redis_url, backend.url]

    def ready() -> bool:
        return stack.http_status(port, "/socket.io/?EIO=4&transport=polling") is not None

    part = stack.Part("board", argv, module_system.directory, ready, {}, port).start().wait()
    yield part
    part.stop()


class Script:
    """The same steps for a client of every server.

    `open(port)` opens a client on the board "lobby"; `more(client)` opens the board "hall" there; `frames(client)` are
    what it has received, in order, in the form of `snapshot(board)` and `event(n)`.
    """

    def __init__(self, targets: dict[str, int], items: Items):
        self.targets = targets
        self.items = items
        self.witnesses: list = []

    async def tell(self, board: str, n: int) -> None:
        """Publishes an event and waits until it has reached every server."""
        await self.publish(board, n)
        for witness in self.witnesses:
            await until(lambda witness=witness: self.event(n) in self.frames(witness), f"event {n} at a witness")

    async def reach(self, clients: dict, number: int) -> None:
        for name, client in clients.items():
            await until(lambda client=client: len(self.frames(client)) >= number, f"{number} frames on {name}")

    async def run(self) -> None:
        self.items.permits.clear()
        for port in self.targets.values():
            # Several, so that each worker of the node has one.
            for _ in range(4):
                witness = await self.open(port)
                self.witnesses.append(witness)
                await until(lambda witness=witness: self.frames(witness), "the first snapshot")
                await self.more(witness)
                await until(lambda witness=witness: len(self.frames(witness)) == 2, "the second snapshot")
        await self.tell("lobby", 0)

        self.items.block("lobby")
        clients = {name: await self.open(port) for name, port in self.targets.items()}
        await self.items.is_asked("lobby", len(clients))
        await self.tell("lobby", 1)
        await self.tell("lobby", 2)
        self.items.permits["lobby"].set()
        await self.tell("lobby", 3)
        await self.reach(clients, 4)
        await self.tell("lobby", 4)

        self.items.block("hall")
        await self.tell("hall", 5)
        for client in clients.values():
            await self.more(client)
        await self.items.is_asked("hall", len(clients))
        for board, n in (("hall", 6), ("lobby", 7), ("hall", 8)):
            await self.tell(board, n)
        self.items.permits["hall"].set()
        await self.tell("hall", 9)
        await self.reach(clients, 10)

        first, second = ([self.event(n) for n in numbers] for numbers in ((1, 2, 3, 4), (6, 7, 8, 9)))
        expected = [self.snapshot("lobby"), *first, self.snapshot("hall"), *second]
        assert {name: self.frames(client) for name, client in clients.items()} == dict.fromkeys(clients, expected)
        for client in [*clients.values(), *self.witnesses]:
            await self.close(client)


class Plain(Script):
    def __init__(self, *args, layer):
        super().__init__(*args)
        self.layer = layer

    async def publish(self, board: str, n: int) -> None:
        await self.layer.group_send(f"board_{board}", {"type": "board.event", "n": n})

    async def open(self, port: int) -> Client:
        return await Client.open(port, "/ws/boards/lobby/")

    async def more(self, client: Client) -> None:
        await client.send({"type": "open", "board": "hall"})

    def frames(self, client: Client) -> list:
        return client.json()

    def snapshot(self, board: str):
        return {"board": board, "items": [board, "as it was"]}

    def event(self, n: int):
        return {"n": n}

    async def close(self, client: Client) -> None:
        await client.close()


class OverSocketIo(Script):
    def __init__(self, *args, sockets: Sockets, bus):
        super().__init__(*args)
        self.sockets = sockets
        self.bus = bus

    async def publish(self, board: str, n: int) -> None:
        await self.bus.publish(f"channelgate:board_{board}", json.dumps({"type": "board.event", "n": n}))

    async def open(self, port: int) -> Socket:
        return await self.sockets.open(port, query={"board": "lobby"})

    async def more(self, client: Socket) -> None:
        await client.emit("open", "hall")

    def frames(self, client: Socket) -> list:
        return client.events

    def snapshot(self, board: str):
        return ("items", [{"board": board, "items": [board, "as it was"]}])

    def event(self, n: int):
        return ("item", [{"n": n}])

    async def close(self, client: Socket) -> None:
        await self.sockets.close(client)


async def test_no_event_overtakes_a_snapshot_on_a_plain_websocket(boards, items):
    """As under Daphne: for the group of the connect, and for a room joined by a message."""
    async with boards.publisher() as layer:
        await Plain({"daphne": boards.django.port, "node": boards.nodes[0].port}, items, layer=layer).run()


async def test_no_event_overtakes_a_snapshot_on_socketio(boards, socketio_server, items, sockets):
    """As on a Socket.IO server that keeps a socket's events while it fetches a snapshot for it."""
    targets = {"node.js": socketio_server.port, "node": boards.nodes[0].port}
    async with redis.asyncio.from_url(boards.redis_url) as bus:
        await OverSocketIo(targets, items, sockets=sockets, bus=bus).run()


@pytest.mark.parametrize("has_notices", [True, False])
async def test_more_events_than_may_wait_for_a_snapshot_are_a_gap_or_the_end(boards, backend, items, has_notices):
    """A client that asks gets the snapshot and a gap notice, another the close code 1013: both load the board again."""
    env = {"CHANNELGATE__SOCKET__OUTBOX": "20000", "CHANNELGATE_BACKEND_URL": backend.url, **PATIENT}
    node = boards.start_node(config=CONFIG, **env)
    items.permits.clear()
    witness = await Client.open(node.port, "/ws/boards/full/")
    await witness.count(1)
    items.block("full")
    client = await Client.open(node.port, f"/ws/boards/full/?gaps={int(has_notices)}")
    await items.is_asked("full", 1)
    async with boards.publisher() as layer:
        for n in range(40):
            await layer.group_send("board_full", {"type": "board.event", "n": [n, "x" * 1000]})
            await witness.count_of(n + 2)
        if not has_notices:
            assert (await client.gone())[0] == 1013
            assert client.frames == []
            assert boards.metric(node, "channelgate_closes_total", reason="held") == 1
        else:
            # The witness may be on another worker.
            held = functools.partial(boards.metric, node, "channelgate_drops_total", reason="held")
            await until(lambda: held() == 40, "all of them to be held and dropped")
        items.permits["full"].set()
        if has_notices:
            assert await client.count(2) == [{"board": "full", "items": ["full", "as it was"]}, {"gap": "held"}]
            assert boards.metric(node, "channelgate_gaps_total", reason="held") == 1
            await layer.group_send("board_full", {"type": "board.event", "n": 40})
            assert (await client.count(3))[2] == {"n": 40}
    lost = boards.metric(node, "channelgate_drops_total", reason="held")
    assert lost == 40 if has_notices else 18 < lost <= 40
    for one in (client, witness):
        await one.close()
    node.stop()


async def test_a_late_answer_is_not_sent_to_the_next_session_of_a_namespace(boards, items):
    """The client leaves the namespace during the call and connects again: the old snapshot is not for it."""
    port = boards.nodes[0].port
    items.permits.clear()
    items.block("left")
    client = await Client.open(port, "/socket.io/?EIO=4&transport=websocket&board=left")
    await client.count_of(1)
    await client.send("40")
    await items.is_asked("left", 1)
    await client.send("41")
    permit = items.permits.pop("left")
    await client.send("40")
    await client.wait(lambda client: '42["items",' in client.frames[-1], "the new session's snapshot")
    async with boards.publisher() as publisher:
        await publisher.group_send("board_left", {"type": "board_event", "n": 1})
        await client.wait(lambda client: client.frames[-1] == '42["item",{"n":1}]', "the event")
        permit.set()
        await publisher.group_send("board_left", {"type": "board_event", "n": 2})
        await client.wait(lambda client: '42["item",{"n":2}]' in client.frames, "the second event")
    await asyncio.sleep(0.3)
    kinds = [frame[:10] for frame in client.frames]
    assert kinds.count('42["items"') == 1, kinds
    assert client.closed is None
    await client.close()
