"""Nothing is missed once a socket is open, nothing is duplicated, and Redis carries one copy per node."""

import asyncio
import contextlib
import itertools
import json

import pytest
import redis.asyncio as redis
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from rig.client import Client, until
from rig.config import ROOMS
from rig.system import LAYERS


async def test_a_publish_right_after_open_is_never_missed(bus):
    node = bus.start_node(config=ROOMS)
    async with bus.publisher() as publisher:

        async def visit(number: int) -> None:
            client = await Client.open(node.port, f"/room/{number}/")
            await publisher.group_send(f"room_{number}", {"type": "said", "number": number})
            assert await client.count(1) == [{"type": "said", "number": number}]
            await client.close()

        for start in range(0, 1000, 25):
            await asyncio.gather(*(visit(number) for number in range(start, start + 25)))


async def test_joins_and_leaves_of_others_lose_duplicate_and_reorder_nothing(bus):
    nodes = [bus.start_node(wait=False, config=ROOMS) for _ in range(2)]
    bus.wait()
    started = 0
    total = 0
    stop = asyncio.Event()
    spells = 0

    async def churn(seed: int) -> None:
        nonlocal spells
        for turn in itertools.count(seed):
            if stop.is_set():
                return
            # Half of them join the reader's own group, half join groups that come and go.
            path = "/ws/" if turn % 2 else f"/room/{turn % 7}/"
            client = await Client.open(nodes[turn % 2].port, path)
            owed = started  # whatever is published from now on must arrive
            if path == "/ws/":
                with contextlib.suppress(AssertionError):
                    await client.wait(lambda client: len(client.frames) >= 1 + seed, "some frames", 2)
                numbers = [frame["data"] for frame in client.json()]
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
                assert not numbers or numbers[0] <= owed, "an event published after open was missed"
            await client.close()
            spells += 1

    readers = [await Client.open(node.port, "/ws/") for node in nodes for _ in range(2)]
    churners = [asyncio.create_task(churn(seed)) for seed in range(12)]
    # Nothing paces the events: at the default of 100, a node that waits for a core loses some to its full queue.
    async with bus.publisher(capacity=20_000) as publisher:
        # At least so many events, and until enough clients have come and gone.
        for number in range(20_000):
            if number >= 1200 and spells > 100:
                break
            started = total = number + 1
            await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": number})
        for reader in readers:
            await reader.wait(lambda client: len(client.frames) >= total, f"all {total} events")
            assert [frame["data"] for frame in reader.json()] == list(range(total))
        stop.set()
        await asyncio.gather(*churners)
        # Nothing comes after the last one either: the next event is the next frame.
        await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": "end"})
        for reader in readers:
            assert (await reader.count(total + 1))[total:] == [{"event": "n", "data": "end"}]
            await reader.close()
    assert spells > 100


async def test_redis_carries_one_copy_per_node_however_many_sockets(system):
    nodes = [system.start_node(wait=False) for _ in range(3)]
    system.wait()
    clients = [await Client.open(node.port, "/ws/") for node in nodes for _ in range(40)]
    connection = redis.Redis.from_url(system.redis_url)
    assert await connection.zcard("asgi:group:broadcast") == 3
    copies = 0
    async with connection.monitor() as monitor, system.publisher() as publisher:
        for number in range(5):
            await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": number})
        await connection.echo("the end")
        async for command in monitor.listen():
            words = command["command"].upper()
            # Nodes send themselves markers in the same way.
            copies += words.startswith("ZADD ASGISPECIFIC") and "SEND_EVENT" in words
            if words.startswith("ECHO"):
                break
    assert copies == 15
    for client in clients:
        assert [frame["data"] for frame in await client.count(5)] == list(range(5))
        await client.close()
    await connection.aclose()


async def test_membership_in_redis_is_exactly_what_the_nodes_need(system):
    nodes = [system.start_node(wait=False, config=ROOMS, CHANNELGATE__LAYER__LINGER="200ms") for _ in range(2)]
    system.wait()
    connection = redis.Redis.from_url(system.redis_url)

    async def members(group: str) -> int:
        return await connection.zcard(f"asgi:group:{group}")

    assert await members("room_a") == 0
    first = [await Client.open(nodes[0].port, "/room/a/") for _ in range(3)]
    assert await members("room_a") == 1
    second = await Client.open(nodes[1].port, "/room/a/")
    assert await members("room_a") == 2
    for client in first[:2]:
        await client.close()
    await second.close()
    await until(lambda: _equals(members("room_a"), 1), "the second node to leave the group")
    await first[2].close()
    await until(lambda: _equals(members("room_a"), 0), "the first node to leave the group")
    # All other keys in Redis expire.
    client = await Client.open(nodes[0].port, "/room/b/")
    async for key in connection.scan_iter("*"):
        # A probe may have been read meanwhile, or have no expiry yet: that is a command of its own.
        await until(lambda key=key: _expires(connection, key), f"an expiry of {key}")
    # A clean stop removes the rest.
    await client.close()
    again = [await Client.open(node.port, "/room/c/") for node in nodes]
    assert await members("room_c") == 2
    for node in nodes:
        assert node.stop() == 0
    assert await members("room_c") == 0
    for client in again:
        await client.gone()
    await connection.aclose()


async def _expires(connection: redis.Redis, key: bytes) -> bool:
    return await connection.ttl(key) != -1


async def _equals(coroutine, value) -> bool:
    return await coroutine == value


async def test_membership_outlives_group_expiry_while_the_node_lives_and_ends_with_it_when_it_is_killed(system):
    node = system.start_node(config=ROOMS, CHANNELGATE__LAYER__GROUP_EXPIRY="5s")
    connection = redis.Redis.from_url(system.redis_url)
    client = await Client.open(node.port, "/room/a/")
    loop = asyncio.get_running_loop()
    async with system.publisher(group_expiry=5) as publisher:
        # Three times the expiry: each publish first removes members that are older.
        end = loop.time() + 15
        sent = 0
        while loop.time() < end:
            await publisher.group_send("room_a", {"type": "said", "number": sent})
            sent += 1
            await client.count(sent)
            await asyncio.sleep(0.1)
        assert [frame["number"] for frame in client.json()] == list(range(sent))
        node.kill()
        await until(lambda: _equals(connection.zcard("asgi:group:room_a"), 0), "the dead node's membership to expire")
    await client.gone()
    await connection.aclose()


async def test_a_node_receives_both_layers_and_plain_publishes_at_once(system):
    node = system.start_node()
    client = await Client.open(node.port, "/ws/")
    connection = redis.Redis.from_url(system.redis_url)
    expected = []
    for name in ("core", "pubsub"):
        layer = LAYERS[name].publisher(system.redis_url)
        await layer.group_send("broadcast", {"type": "send_event", "event": name, "data": 1})
        expected.append({"event": name, "data": 1})
        assert await client.count(len(expected)) == expected
    await connection.publish("channelgate:broadcast", '{"type": "send_event", "event": "plain", "data": NaN}')
    expected.append({"event": "plain", "data": None})
    assert await client.count(3) == expected
    # Without a type it is sent unchanged.
    await connection.publish("channelgate:broadcast", '{"b": [1, {"a": "é"}], "a": 2.0}')
    assert (await client.count(4))[3] == {"b": [1, {"a": "é"}], "a": 2.0}
    await client.close()
    await connection.aclose()


async def test_any_redis_channel_can_be_mapped_to_a_group(system):
    mapped = '[[source]]\nchannel = "comments"\ngroup = "broadcast"\n'
    mapped += '[[source]]\npattern = "room.*"\ngroup = "room_{{ event.room }}"\n'
    node = system.start_node(config=mapped + ROOMS)
    feed, room = await Client.open(node.port, "/ws/"), await Client.open(node.port, "/room/7/")
    connection = redis.Redis.from_url(system.redis_url)
    await connection.publish("comments", '{"type": "send_event", "event": "comment", "data": "hello"}')
    await connection.publish("room.any", '{"type": "said", "room": 7}')
    assert await feed.count(1) == [{"event": "comment", "data": "hello"}]
    assert await room.count(1) == [{"type": "said", "room": 7}]
    await feed.close()
    await room.close()
    await connection.aclose()


@pytest.mark.parametrize("kind", ["core", "pubsub"])
async def test_several_redis_hosts_are_the_same_ring_for_django_and_the_node(system, kind):
    servers = [system.redis, *(system.start_redis() for _ in range(2))]
    urls = [f"redis://127.0.0.1:{server.port}/0" for server in servers]
    node = system.start_node(config=ROOMS, CHANNELGATE__LAYER__HOSTS=json.dumps(urls))
    layer = (RedisChannelLayer if kind == "core" else RedisPubSubChannelLayer)(hosts=urls)
    clients = [await Client.open(node.port, f"/room/{number}/") for number in range(40)]
    for turn in range(3):
        for number in range(40):
            await layer.group_send(f"room_{number}", {"type": "said", "number": number, "turn": turn})
    for number, client in enumerate(clients):
        assert await client.count(3) == [{"type": "said", "number": number, "turn": turn} for turn in range(3)]
        await client.close()
    if kind == "core":
        for url in urls:
            # The members are where that layer looks for them, some on every host.
            connection = redis.Redis.from_url(url)
            assert await connection.keys("asgi:group:room_*"), url
            await connection.aclose()


async def test_compressed_frames_have_the_same_events(bus):
    node = bus.start_node(config=ROOMS)
    plain = await Client.open(node.port, "/ws/")
    packed = await Client.open(node.port, "/ws/", compression="deflate")
    assert "permessage-deflate" in packed.connection.response.headers["Sec-WebSocket-Extensions"]
    assert "Sec-WebSocket-Extensions" not in plain.connection.response.headers
    async with bus.publisher() as publisher:
        for size in (0, 1, 511, 512, 513, 4096, 65535, 65536, 200_000):
            data = "é{}".format("ab" * size)
            await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": data})
    await packed.send("x" * 100_000)
    assert await packed.count(9) == await plain.count(9)
    await plain.close()
    await packed.close()
