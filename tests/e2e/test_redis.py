"""Redis down, frozen, or full of unreadable bytes: a state, not an accident."""

import asyncio
import os
import pickle
import signal

import redis.asyncio as redis
from redis.exceptions import RedisError
from rig.client import DEADLINE, Client, refusal, until
from rig.config import ROOMS
from rig.http import Http
from rig.log import whole_log
from rig.raw import Raw, request
from rig.system import Layer, System

QUICK = {"CHANNELGATE__LAYER__PROBE_INTERVAL": "200ms"}


def send_event(data) -> dict:
    return {"type": "send_event", "event": "n", "data": data}


async def readiness(node, status: int, deadline: float = DEADLINE) -> None:
    async def answers() -> bool:
        return (await Http(node.port).get("/health/ready")).status == status

    await until(answers, f"{node.name} to answer {status} on /health/ready", deadline)


async def test_sockets_outlive_redis_and_the_first_event_after_its_return_arrives(bus):
    nodes = [bus.start_node(wait=False, config=ROOMS, **QUICK) for _ in range(2)]
    bus.wait()
    clients = [await Client.open(node.port, path) for node in nodes for path in ("/ws/", "/room/a/")]
    async with bus.publisher() as publisher:
        await publisher.group_send("broadcast", send_event("before"))
        for client in clients[::2]:
            await client.count(1)
    bus.redis.kill()
    for node in nodes:
        await readiness(node, 503)
        assert (await Http(node.port).get("/health/live")).status == 200
    # New clients cannot be guaranteed anything now: 503, with a retry time.
    raw = await Raw.tcp(nodes[0].port)
    await raw.write(request(nodes[0].port, "/room/new/"))
    status, headers = await raw.head()
    assert status == 503 and int(headers["retry-after"]) >= 1
    raw.abort()
    bus.restart_redis()
    for node in nodes:
        await readiness(node, 200)
    async with bus.publisher() as publisher:
        await publisher.group_send("broadcast", send_event("after"))
        await publisher.group_send("room_a", {"type": "said"})
        for client in clients[::2]:
            assert [frame["data"] for frame in await client.count(2)] == ["before", "after"]
        for client in clients[1::2]:
            assert await client.count(1) == [{"type": "said"}]
    for node in nodes:
        gaps = [line for line in (await Http(node.port).get("/metrics")).body.decode().splitlines() if "gaps" in line]
        assert any(not line.startswith("#") and float(line.rsplit(" ", 1)[1]) >= 1 for line in gaps), gaps
    for client in clients:
        assert client.closed is None
        await client.close()


async def test_a_frozen_redis_is_detected_and_recovers_without_loss(bus):
    node = bus.start_node(config=ROOMS, **QUICK)
    client = await Client.open(node.port, "/ws/")
    bus.redis.signal(signal.SIGSTOP)
    try:
        await readiness(node, 503)
    finally:
        bus.redis.signal(signal.SIGCONT)
    await readiness(node, 200)
    async with bus.publisher() as publisher:
        await publisher.group_send("broadcast", send_event("thawed"))
        await client.wait(lambda client: client.frames, "the first event after the freeze")
    assert client.json()[-1] == {"event": "n", "data": "thawed"}
    await client.close()


async def test_connections_that_redis_cuts_come_back(bus):
    node = bus.start_node(config=ROOMS, **QUICK)
    client = await Client.open(node.port, "/ws/")
    connection = redis.Redis.from_url(bus.redis_url)
    async with bus.publisher() as publisher:
        for number in range(5):
            for kind in ("normal", "pubsub"):
                await connection.client_kill_filter(_type=kind, skipme=True)
            await until(lambda: _reaches(publisher, client), f"an event after cut {number}")
    await client.close()
    await connection.aclose()


async def _reaches(publisher, client) -> bool:
    before = len(client.frames)
    try:
        await publisher.group_send("broadcast", send_event(before))
        await client.wait(lambda client: len(client.frames) > before, "it", 0.5)
    except (AssertionError, RedisError, ConnectionError):
        return False
    return True


GARBAGE = [
    b"",
    b"\x00",
    b"short",
    os.urandom(200),
    b"\xc1" * 40,
    b"\xdf\xff\xff\xff\xff",  # a map of four thousand million entries
    b"\xdd\xff\xff\xff\xff" + b"\x91" * 50,
    b"\x91" * 100_000,  # lists in lists in lists
    b"[" * 100_000,
    b"{" + b'"a":{' * 50_000,
    b"\x93\x01\x02\x03",  # a list, not a dict
    b"\x07",
    b'{"type": "send_event", "event": "cut',
    b'{"type": "send_event", "event": "\xff\xfe", "data": 1}',
    b"gAAAAAB" + b"A" * 100,
    pickle.dumps({"type": "send_event"}),
    b"cos\nsystem\n(S'echo hostile'\ntR.",
    b"\x80\x04\x95",
]


async def test_unreadable_bytes_are_counted_and_harmless(system):
    node = system.start_node()
    client = await Client.open(node.port, "/ws/")
    connection = redis.Redis.from_url(system.redis_url)
    (member,) = await connection.zrange("asgi:group:broadcast", 0, -1)
    queue = b"asgi" + member.split(b"!")[0] + b"!"
    async with system.publisher() as publisher:
        for number, garbage in enumerate(GARBAGE):
            await connection.zadd(queue, {os.urandom(12) + garbage: 1e9})
            await connection.zadd(queue, {garbage: 1e9})
            await connection.publish("asgi__group__broadcast", garbage)
            await connection.publish("channelgate:broadcast", garbage)
            await publisher.group_send("broadcast", send_event(number))
            assert (await client.count(number + 1))[number] == {"event": "n", "data": number}
    metrics = (await Http(node.port).get("/metrics")).body.decode()
    drops = [line for line in metrics.splitlines() if line.startswith("channelgate_drops_total{")]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in drops) > 3 * len(GARBAGE) - 10, drops
    # One log line for a flood of the same kind, not thousands.
    for _ in range(2000):
        await connection.publish("asgi__group__broadcast", b"\xc1")
    async with system.publisher() as publisher:
        await publisher.group_send("broadcast", send_event("end"))
        assert (await client.count(len(GARBAGE) + 1))[-1]["data"] == "end"
    assert len(whole_log(node).splitlines()) < 200
    await client.close()
    await connection.aclose()


async def test_a_publisher_with_another_key_or_serializer_is_ignored_and_harmless(tmp_path):
    for kind in ("core", "pubsub"):
        (tmp_path / kind).mkdir()
        system = System(tmp_path / kind, Layer(kind=kind, keys=("right",)))
        try:
            node = system.start_node()
            client = await Client.open(node.port, "/ws/")
            strangers = [Layer(kind=kind, keys=("wrong",)), Layer(kind=kind, keys=("wrong",), serializer="json")]
            async with system.publisher() as publisher:
                for number, stranger in enumerate(strangers):
                    layer = stranger.publisher(system.redis_url)
                    for _ in range(3):
                        await layer.group_send("broadcast", send_event("stranger"))
                    await publisher.group_send("broadcast", send_event(number))
                    assert (await client.count(number + 1))[number]["data"] == number
            assert system.metric(node, "channelgate_drops_total", reason="decrypt") == 6
            await client.close()
        finally:
            system.stop()


async def test_a_value_of_a_hundred_megabytes_is_dropped_and_the_next_event_arrives(bus):
    node = bus.start_node(config=ROOMS, **QUICK)
    client = await Client.open(node.port, "/ws/")
    connection = redis.Redis.from_url(bus.redis_url, socket_timeout=60)
    huge = b"\x00" * 12 + b"\x82\xa4type\xaasend_event\xa4data\xc6" + (100 << 20).to_bytes(4, "big") + bytes(100 << 20)
    if bus.layer.kind == "core":
        (member,) = await connection.zrange("asgi:group:broadcast", 0, -1)
        await connection.zadd(b"asgi" + member.split(b"!")[0] + b"!", {huge: 1e9})
    else:
        # Redis itself closes a subscriber above its output buffer limit of 32 MB.
        await connection.publish("asgi__group__broadcast", huge)
    async with bus.publisher() as publisher:
        await until(lambda: _reaches(publisher, client), "an event after the huge value", 60)
    assert all(isinstance(frame["data"], int) for frame in client.json())
    await client.close()
    await connection.aclose()


async def test_a_full_queue_is_a_gap_that_is_counted(system):
    # While the node is stopped, the senders fill its queue to their capacity and drop the rest silently.
    node = system.start_node(**{**QUICK, "CHANNELGATE__LAYER__QUEUES": "1"})
    client = await Client.open(node.port, "/ws/")
    async with system.publisher() as publisher:
        await publisher.group_send("broadcast", send_event("first"))
        await client.count(1)
        node.signal(signal.SIGSTOP)
        for number in range(150):
            await publisher.group_send("broadcast", send_event(number))
        node.signal(signal.SIGCONT)
        await client.wait(lambda client: len(client.frames) >= 100, "what the queue held")

        async def counted() -> bool:
            body = (await Http(node.port).get("/metrics")).body.decode()
            return any(
                line.startswith("channelgate_gaps_total{") and float(line.rsplit(" ", 1)[1]) >= 1
                for line in body.splitlines()
            )

        await until(counted, "the gap to be counted")
        numbers = [frame["data"] for frame in client.json()[1:]]
        assert numbers == sorted(numbers)
        await publisher.group_send("broadcast", send_event("last"))
        await client.wait(lambda client: client.json()[-1]["data"] == "last", "the event after the gap")
    await client.close()


async def test_without_redis_at_start_the_node_waits_for_it(system):
    system.redis.stop()
    node = system.start_node(wait=False, **QUICK)
    await until(lambda: _answers(node), "the node to listen")
    assert (await Http(node.port).get("/health/ready")).status == 503
    assert await refusal(node.port, "/ws/") == 503
    system.restart_redis()
    await readiness(node, 200)
    client = await Client.open(node.port, "/ws/")
    async with system.publisher() as publisher:
        await publisher.group_send("broadcast", send_event(1))
        assert await client.count(1) == [{"event": "n", "data": 1}]
    await client.close()


async def _answers(node) -> bool:
    try:
        return (await Http(node.port).get("/health/live")).status == 200
    except OSError:
        assert node.running, node.tail()
        await asyncio.sleep(0.02)
        return False
