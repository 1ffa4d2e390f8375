"""What happens behind a node's back, and at the moment of a join: nothing is missed in silence, nothing comes twice,
nothing from before the join, and one publisher's events stay in order whichever of a client's groups they are for."""

import asyncio
import random
import signal
import time

import msgpack
import redis.asyncio as redis
from redis.exceptions import RedisError
from rig.client import Client, refusal, until
from rig.config import ROOMS
from rig.http import Http

GAPS = """
[[consumer]]
path = "/room/<str:name>/"
groups = ["room_{{ route.name }}"]
[consumer.on_event."*"]
send = "event.n"
[consumer.on_gap]
send = "gap"
"""

MANY = """
[[consumer]]
path = "/many/"
groups = ["a", "b", "c", "d", "e", "f"]
[consumer.on_event."*"]
send = "event.n"
"""

LOST = {"reason": "expired", "groups": ["room_a"]}


def numbered(n: int) -> dict:
    return {"type": "said", "n": n}


async def test_a_flushed_redis_is_reported_and_repaired_without_a_reconnect(system):
    node = system.start_node(config=GAPS)
    clients = [await Client.open(node.port, "/room/a/") for _ in range(2)]
    connection = redis.Redis.from_url(system.redis_url)
    async with system.publisher() as publisher:
        await publisher.group_send("room_a", numbered(1))
        for client in clients:
            await client.count(1)
        await connection.flushdb()
        # A client that comes now is served at once.
        late = await Client.open(node.port, "/room/late/")
        await publisher.group_send("room_late", numbered(2))
        assert await late.count(1) == [2]
        for client in clients:
            assert await client.count(2) == [1, LOST]
        await publisher.group_send("room_a", numbered(3))
        for client in clients:
            assert await client.count(3) == [1, LOST, 3]
            assert client.closed is None
    assert system.metric(node, "channelgate_gaps_total", reason="expired") == 1
    assert system.metric(node, "channelgate_redis_reconnects_total") == 0
    assert late.json() == [2]
    for client in [*clients, late]:
        await client.close()
    await connection.aclose()


async def test_a_set_that_redis_evicts_is_a_gap_of_its_group_alone(system):
    node = system.start_node(config=GAPS)
    one, other = await Client.open(node.port, "/room/a/"), await Client.open(node.port, "/room/b/")
    connection = redis.Redis.from_url(system.redis_url)
    await connection.delete("asgi:group:room_a")
    assert await one.count(1) == [LOST]
    async with system.publisher() as publisher:
        await publisher.group_send("room_a", numbered(1))
        await publisher.group_send("room_b", numbered(2))
        assert await one.count(2) == [LOST, 1]
        assert await other.count(1) == [2]
    for client in (one, other):
        await client.close()
    await connection.aclose()


async def test_a_full_redis_is_named_by_readiness_and_its_clients_stay(bus):
    node = bus.start_node(config=ROOMS)
    client = await Client.open(node.port, "/room/a/")
    connection = redis.Redis.from_url(bus.redis_url)
    await connection.config_set("maxmemory", "1")

    async def answers(status: int, reason: bytes) -> bool:
        answer = await Http(node.port).get("/health/ready")
        return answer.status == status and reason in answer.body

    await until(lambda: answers(503, b"OOM"), "readiness to name the reason")
    assert bus.metric(node, "channelgate_ready") == 0
    assert bus.metric(node, "channelgate_redis_refusals_total", reason="full") > 0
    assert await refusal(node.port, "/room/new/") == 503
    async with bus.publisher() as publisher:
        try:
            await publisher.group_send("room_a", {"type": "said", "n": 1})
            delivered = [{"type": "said", "n": 1}]
            # The pub/sub layer needs no memory of Redis.
            assert await client.count(1) == delivered
        except RedisError:
            # The core layer does, and its publishers learn of it.
            delivered = []
        await connection.config_set("maxmemory", "0")
        await until(lambda: answers(200, b""), "readiness to come back")
        new = await Client.open(node.port, "/room/new/")
        await publisher.group_send("room_a", {"type": "said", "n": 2})
        await publisher.group_send("room_new", {"type": "said", "n": 3})
        assert await client.count(len(delivered) + 1) == [*delivered, {"type": "said", "n": 2}]
        assert await new.count(1) == [{"type": "said", "n": 3}]
    assert bus.metric(node, "channelgate_redis_reconnects_total") == 0
    for open_one in (client, new):
        await open_one.close()
    await connection.aclose()


async def test_a_client_that_gives_up_its_join_takes_the_group_from_no_other(bus):
    """The first client of a group is refused while Redis pauses; the second is there when Redis goes on."""
    # The node notices nothing of the pause: else it would refuse the second one at once.
    times = {"LIMITS__ADMISSION_TIMEOUT": "4s", "LAYER__LINGER": "300ms", "LAYER__PROBE_INTERVAL": "4s"}
    node = bus.start_node(config=GAPS, **{f"CHANNELGATE__{name}": value for name, value in times.items()})
    bus.redis.signal(signal.SIGSTOP)
    try:
        assert await refusal(node.port, "/room/a/") == 503
        await asyncio.sleep(0.3)
        # It has nearly all of its time left when Redis goes on.
        opening = asyncio.create_task(Client.open(node.port, "/room/a/"))
        await asyncio.sleep(0.1)
    finally:
        bus.redis.signal(signal.SIGCONT)
    client = await opening
    await asyncio.sleep(1.5)
    async with bus.publisher() as publisher:
        await publisher.group_send("room_a", numbered(1))
        assert await client.count(1) == [1]
    await client.close()


async def test_joins_go_on_after_a_redis_that_was_flushed_again_and_again(system):
    """A flush can remove what a join waits for."""
    node = system.start_node(config=GAPS)
    resident = await Client.open(node.port, "/room/a/")
    connection = redis.Redis.from_url(system.redis_url)
    end = asyncio.get_running_loop().time() + 4

    async def until_then(act):
        while asyncio.get_running_loop().time() < end:
            await act()

    async def comes_and_goes():
        client = await Client.open(node.port, "/room/a/")
        await client.close()

    async with system.publisher(capacity=10_000) as publisher:

        async def publishes():
            await publisher.group_send("room_a", numbered(0))

        await asyncio.gather(*map(until_then, [publishes, publishes, connection.flushdb, *[comes_and_goes] * 3]))
        # The last flush is noticed with a probe.
        await until(lambda: connection.zcard("asgi:group:room_a"), "the membership to be registered again")
        client = await Client.open(node.port, "/room/a/")
        await publisher.group_send("room_a", numbered(1))
        await client.wait(lambda client: 1 in client.json(), "an event after the flushes")
    assert system.metric(node, "channelgate_redis_reconnects_total") == 0
    for one in (resident, client):
        await one.close()
    await connection.aclose()


async def test_a_node_whose_queue_is_never_empty_stays_ready(system):
    """More events than the node reads: it is behind, but what arrives is delivered."""
    node = system.start_node(config=GAPS)
    client = await Client.open(node.port, "/room/a/")
    connection = redis.Redis.from_url(system.redis_url)
    member = (await connection.zrange("asgi:group:room_a", 0, 0))[0].decode()
    body = msgpack.packb({**numbered(1), "__asgi_channel__": [member]})
    flood = connection.register_script("""
        for i = 1, 1000 do
            redis.call('ZADD', KEYS[1], ARGV[1] + i / 1e6, string.format('%012d', ARGV[2] + i) .. ARGV[3])
        end
    """)
    loop = asyncio.get_running_loop()
    number, end, unready = 0, loop.time() + 5, []
    while loop.time() < end:
        await flood([f"asgi{member.partition('!')[0]}!"], [time.time(), number, body])
        number += 1000
        answer = await Http(node.port).get("/health/ready")
        if answer.status != 200:
            unready.append(answer.body)
    assert unready == []
    assert system.metric(node, "channelgate_redis_reconnects_total") == 0
    assert client.frames
    client.connection.transport.abort()
    await connection.aclose()


async def test_no_event_from_before_a_join_arrives_after_it(bus):
    """Neither while the group lingers after its last client, nor while it has others."""
    node = bus.start_node(config=GAPS)
    resident = await Client.open(node.port, "/room/b/")
    early = []
    async with bus.publisher() as publisher:
        for number in range(100):
            for room in ("a", "b"):
                await publisher.group_send(f"room_{room}", numbered(-number))
                client = await Client.open(node.port, f"/room/{room}/")
                await publisher.group_send(f"room_{room}", numbered(number + 1))
                await client.wait(lambda client, last=number + 1: last in client.json(), "the event after the join")
                if client.json() != [number + 1]:
                    early.append((room, client.json()))
                await client.close()
    assert early == []
    await resident.count(200)
    await resident.close()


async def test_what_one_process_publishes_stays_in_order_across_the_groups_of_a_client(bus):
    node = bus.start_node(config=MANY)
    clients = [await Client.open(node.port, "/many/") for _ in range(3)]
    pick = random.Random(12)
    async with bus.publisher(capacity=10_000) as publisher:
        for number in range(1500):
            await publisher.group_send(pick.choice("abcdef"), numbered(number))
            if number % 100 == 0:
                await asyncio.sleep(0)
    for client in clients:
        assert await client.count(1500) == list(range(1500))
        await client.close()
