"""The operators' page among nodes that stand still, and programs in Redis that say to be nodes."""

import asyncio
import contextlib
import json
import signal
import time

import pytest
import redis.asyncio as redis
import stack
from rig.client import Client, until
from rig.demo import mint_person
from rig.http import Http
from rig.operators import ROOMS, Live, ids, note, publish, start_pair, stats, total
from rig.raw import BINARY, PING, PONG, TEXT, Raw
from rig.tail import watchers

MOST = 2**64 - 1


@pytest.fixture
def admin() -> str:
    return mint_person(1, "admin").token


@pytest.fixture
def pair(system):
    return start_pair(system)


async def begin(bus: redis.Redis, node: str, address: str = f"{stack.LOOPBACK}:1") -> None:
    """Makes a node of this name alive."""
    await bus.set(f"channelgate:node:{node}", json.dumps({"address": address, "started": 1, "connections": 0}), ex=90)
    await bus.zadd("channelgate:nodes", {node: (time.time() + 90) * 1000})


@contextlib.asynccontextmanager
async def answering(bus: redis.Redis, node: str, answer):
    """A false node: `answer(query)` is what it says to each question."""
    channel = bus.pubsub()
    await channel.subscribe(f"channelgate:control:{node}")
    await begin(bus, node)

    async def run():
        async for message in channel.listen():
            if message["type"] != "message":
                continue
            asked = json.loads(message["data"]).get("ask")
            if asked and (said := answer(asked["query"])) is not None:
                reply = (
                    said
                    if isinstance(said, bytes)
                    else json.dumps({"reply": {"id": asked["id"], "from": node, "answer": said}})
                )
                await bus.publish(f"channelgate:control:{asked['from']}", reply)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        await channel.aclose()


async def test_the_samples_of_a_node_that_stood_still_for_a_moment_are_not_lost(system, admin):
    # With its usual lease, the node could be dead instead of silent.
    one, two = start_pair(system, CHANNELGATE__CLUSTER__HEARTBEAT="20s").nodes
    live = await Live.open(one.port, admin)
    await live.first()
    client = await Client.open(two.port, "/room/a/")

    # The events of a step that ends while the node stands still, until the question about it has had no answer.
    await asyncio.sleep((4 - time.time()) % 5)
    await publish(one, "room_a", *[note() for _ in range(7)])
    await client.count(7)
    known = len(live.all("sample"))
    two.process.send_signal(signal.SIGSTOP)
    try:
        await live.wait(lambda live: any(sample["silent"] for sample in live.all("sample")[known:]), "the silent node")
    finally:
        two.process.send_signal(signal.SIGCONT)
    await live.wait(lambda live: live.events() == 7, "all events in the samples")
    await client.close()
    await live.close()


async def test_a_false_node_with_impossible_figures_does_not_stop_the_charts(system, admin):
    node = system.start_node(config=ROOMS)
    live = await Live.open(node.port, admin)
    await live.first()

    def answer(query):
        if "overview" not in query:
            return None
        now = int(time.time()) // 5 * 5
        sample = {"events": MOST, "deliveries": MOST, "connections": MOST, "labelled": [["drops", "__proto__", MOST]]}
        stats = {"connections": MOST, "users": MOST, "rooms": [], "events": MOST}
        ends = [now, now + 5, now + 3600, MOST, 0, 3]
        many = [{"consumer": "room", "protocol": "websocket", "connections": MOST}] * 2
        return {"overview": {
            "stats": stats, "name": "<img src=x>", "consumers": many, "rooms": [{"room": "r", "members": MOST}] * 2,
            "samples": [sample | {"at": end} for end in ends],
        }}  # fmt: skip

    def false(live):
        return [data for data in live.figures() if any(one["node"] == "false" for one in data["perNode"])]

    def own(data):
        return sum(total(one["events"]) for one in data["history"]["perNode"] if one["node"] != "false")

    client = await Client.open(node.port, "/room/a/")
    async with redis.from_url(system.redis_url) as bus, answering(bus, "false", answer):
        await publish(node, "room_a", *[note() for _ in range(7)])
        await client.count(7)
        await live.wait(lambda live: false(live) and sum(map(own, live.figures())) == 7, "the figures of both")
        assert false(live)[0]["connections"] == MOST
    await client.close()
    await live.close()


async def test_an_answer_that_cannot_be_read_is_silence(system, admin):
    node = system.start_node(config=ROOMS)
    answers = [
        b"\xff\xfe", b"[" * 100_000, {"overview": {"samples": [{"at": -1}]}}, {"overview": 7}, {"rooms": []},
        {"failed": "<script>"}, {"reached": 7}, {"stats": {"events": "7"}},
    ]  # fmt: skip
    said = []

    def say(query):
        if "overview" not in query:
            return None
        said.append(answers[len(said) % len(answers)])
        return said[-1]

    async with redis.from_url(system.redis_url) as bus, contextlib.AsyncExitStack() as false:
        for number in range(len(answers)):
            await false.enter_async_context(answering(bus, f"false{number}", say))
        answer = await stats(node.port, admin)
    # Each was asked, so none is silent only because it does not listen.
    assert len(said) >= len(answers)
    assert answer["silent"] == [f"false{number}" for number in range(len(answers))]
    assert len(answer["data"]["perNode"]) == 1


async def test_false_records_of_the_tail_do_not_break_the_stream(system, admin):
    node = system.start_node(config=ROOMS)
    lines = [
        b"\xff\xfe{}", b"{}", b"[]", b"null", b'{"kind":7}', b'{"kind":"missed","lines":18446744073709551615}',
        b'{"kind":"missed","lines":-1}', b'{"kind":"a"} {"kind":"b"}',
        b'{"kind":"x","deep":' + b"[" * 9000 + b"]" * 9000 + b"}",
        b'{"kind":"x","text":"\\ud800"}', b'{"kind":"x"}}{', b"x" * 70_000, b'{"kind":"end"}',
    ]  # fmt: skip

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"\n".join(lines[:-2]) + b"\n" + lines[-1] + b"\n"
        )
        writer.write(lines[-2])
        with contextlib.suppress(ConnectionError):
            await writer.drain()

    server = await asyncio.start_server(serve, stack.LOOPBACK, 0)
    live = await Live.open(node.port, admin)
    await live.first()
    async with redis.from_url(system.redis_url) as bus:
        await begin(bus, "false", f"{stack.LOOPBACK}:{server.sockets[0].getsockname()[1]}")
    await live.tail()
    await live.wait(lambda live: live.records("end"), "the last of the false records")
    # Too long a line without an end: the node gives it up, and says so.
    await live.wait(
        lambda live: any("false" in one["nodes"] for one in live.all("tail_silent")), "the false node silent"
    )
    assert {record["kind"] for record in live.records() if record["node"] == "false"} <= {"x", "end"}
    await live.answers()
    server.close()
    await live.close()


async def test_a_ticket_that_went_to_another_address_opens_no_node(pair, admin):
    """Who can write in Redis can give a node another address, but not use the ticket that comes there."""
    one, two = pair.nodes
    heads = []

    async def listen(reader, writer):
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.close()

    server = await asyncio.start_server(listen, stack.LOOPBACK, 0)
    address = f"{stack.LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    known = await ids(one.port, admin)
    live = await Live.open(one.port, admin)
    await live.first()
    async with redis.from_url(pair.redis_url) as bus:

        async def lured():
            await begin(bus, known["two"], address)
            await live.tail(drops=True)
            return heads

        # The node writes its own address again with each heartbeat.
        await until(lured, "a request to the false address", pause=0.05)
    server.close()
    [ticket] = [
        line.split(": ")[1] for line in heads[0].split("\r\n") if line.lower().startswith("x-channelgate-ticket")
    ]
    reply = await Http(two.port).request("HEAD", "/api/tail", headers={"X-Channelgate-Ticket": ticket})
    assert reply.status == 401, reply
    await until(lambda: watchers(pair, two) == 1, "the node to be followed at its own address")
    await live.close()


def first(token: str) -> bytes:
    return json.dumps({"authorization": token}).encode()


async def test_a_first_message_may_come_in_any_pieces_and_of_no_other_kind(system, admin):
    node = system.start_node(config=ROOMS)
    path = "/api/websocket/live"
    whole = first(admin)
    raw = await Raw.open(node.port, path)
    await raw.frame(TEXT, whole[:10], fin=False)
    await raw.frame(PING, b"between")
    await raw.frame(0, whole[10:11], fin=False)
    await raw.frame(0, whole[11:])
    opcode, payload = await raw.read()
    assert (opcode, payload) == (PONG, b"between")
    opcode, payload = await raw.read()
    assert opcode == TEXT and json.loads(payload)["type"] == "stats"
    raw.writer.close()
    for opcode, payload, code in ((BINARY, whole, 1003), (TEXT, b"x" * 17_000, 1002), (TEXT, b"\xff", 1002)):
        raw = await Raw.open(node.port, path)
        await raw.frame(opcode, payload)
        assert await raw.close_code() == code, (opcode, payload[:9])
        raw.writer.close()
    # Sixteen KiB in pieces.
    raw = await Raw.open(node.port, path)
    with contextlib.suppress(ConnectionError):
        await raw.frame(TEXT, b"x" * 9_000, fin=False)
        await raw.frame(0, b"x" * 9_000)
    assert await raw.close_code() == 1002
    raw.writer.close()
    assert (await Http(node.port).get("/health/ready")).status == 200


async def test_a_filter_that_changes_all_the_time_does_not_starve_the_node(pair, admin):
    one, two = pair.nodes
    live = await Live.open(one.port, admin)
    await live.first()
    for number in range(3000):
        await live.client.send({"tail": {"group": f"room_{number}"}})
    await live.client.send({"tail": {"group": "room_a"}})
    await until(lambda: watchers(pair, one) == watchers(pair, two) == 1, "one watcher on each node", deadline=60)
    client = await Client.open(two.port, "/room/a/")

    async def seen():
        await publish(one, "room_a", note(), is_repeated=True)
        return live.records("delivered")

    await until(seen, "a record that passes the last filter", deadline=60, pause=0.2)
    await client.close()
    await live.close()
