"""Clients that do not read: each consumer's policy for them, and that other clients are not affected."""

import asyncio
import json
import time

import pytest
from rig.client import Client, until
from rig.config import ROOMS
from rig.memory import private
from rig.raw import Raw
from rig.stall import Stalling

#: These tests measure memory, and the waiting time of healthy readers while others do not read.
pytestmark = pytest.mark.alone("measures memory, and bounds what healthy readers wait")

#: One group, and a consumer of it for each policy.
FEEDS = """
[[consumer]]
path = "/close/"
groups = ["feed"]
[consumer.on_event."*"]
send = "event"

[[consumer]]
path = "/oldest/"
groups = ["feed"]
slow = "drop_oldest"
[consumer.on_event."*"]
send = "event"

[[consumer]]
path = "/latest/"
groups = ["feed"]
slow = "latest"
[consumer.on_event."*"]
key = "event.key"
send = "event"
"""
SMALL = {
    "CHANNELGATE__SOCKET__OUTBOX": "262144",
    "CHANNELGATE__SOCKET__SEND_BUFFER": "16384",
    "CHANNELGATE__SOCKET__TCP_USER_TIMEOUT": "0s",
    # Also the time that a client has to read its Close: the tests read it when they have published everything.
    "CHANNELGATE__SERVER__DRAIN_GRACE": "10m",
}
KEYS = 20


async def read_to(raw: Raw, number: int) -> list[dict]:
    """Reads until the event with this number."""
    events = []
    while not events or events[-1]["number"] != number:
        events.append(json.loads((await raw.read())[1]))
    return events


async def publish(system, count: int, size: int, *, readers: list[Client], already: int = 0) -> list[float]:
    """Publishes to the feed, each event after all readers have the previous one; returns the duration of each."""
    took = []
    async with system.publisher() as publisher:
        for number in range(already, already + count):
            start = time.perf_counter()
            event = {"type": "tick", "number": number, "key": number % KEYS, "text": "x" * size}
            await publisher.group_send("feed", event)
            for reader in readers:
                await reader.count_of(number + 1)
            took.append(time.perf_counter() - start)
    return took


async def test_each_policy_works_and_healthy_readers_miss_nothing(system):
    node = system.start_node(config=FEEDS, **SMALL)
    paths = ("/close/", "/oldest/", "/latest/")
    healthy = [await Client.open(node.port, path) for path in paths]
    close, oldest, latest = [await Raw.stalled(node.port, path) for path in paths]
    total = 400
    took = await publish(system, total, 5_000, readers=healthy)
    for client in healthy:
        assert [event["number"] for event in client.json()] == list(range(total))
    assert percentile(took, 99) < 1, "no reader waits for those that do not read"

    def drops(reason: str) -> float:
        return system.metric(node, "channelgate_drops_total", reason=reason)

    # A closed client has everything up to the full outbox, then the reason; waiting messages were counted.
    got = []
    while (frame := await close.read())[0] != 0x8:
        got.append(json.loads(frame[1])["number"])
    assert got == list(range(len(got))) and frame[1][:2] == (1013).to_bytes(2)
    assert system.metric(node, "channelgate_closes_total", reason="slow_client") == 1
    # Waiting messages are lost; those after the close had no receiver.
    assert 30 < drops("slow_client") < total - len(got)
    # Complete messages in order, including the last one, and every missing one was counted.
    numbers = [event["number"] for event in await read_to(oldest, total - 1)]
    assert numbers == sorted(set(numbers)) and total - len(numbers) == drops("oldest") > 100
    # The newest of each key, and every replaced one was counted.
    events = await read_to_newest(latest, total)
    newest = {event["key"]: event["number"] for event in events}
    assert newest == {number % KEYS: number for number in range(total - KEYS, total)}
    assert total - len(events) == drops("superseded") > 100
    await until(lambda: system.metric(node, "channelgate_outbox_bytes") == 0, "nothing to wait any more")
    # They continue normally.
    await publish(system, 10, 10, readers=healthy, already=total)
    for raw in (oldest, latest):
        assert [event["number"] for event in await read_to(raw, total + 9)][-10:] == list(range(total, total + 10))
        raw.abort()
    close.abort()


async def read_to_newest(raw: Raw, total: int) -> list[dict]:
    """Reads until the newest event of every key has arrived."""
    events, missing = [], set(range(total - KEYS, total))
    while missing:
        events.append(json.loads((await raw.read())[1]))
        missing.discard(events[-1]["number"])
    return events


async def test_a_message_larger_than_the_outbox_never_closes_the_same_client_again_and_again(system):
    node = system.start_node(config=FEEDS, **{**SMALL, "CHANNELGATE__SOCKET__OUTBOX": "65536"})
    async with system.publisher() as publisher:
        for _ in range(4):
            # Like after a reconnect, the same each time: a large message, and the events meanwhile.
            raw = await Raw.stalled(node.port, "/close/")
            await publisher.group_send("feed", {"type": "tick", "number": -1, "text": "x" * 6_000_000})
            for number in range(20):
                await publisher.group_send("feed", {"type": "tick", "number": number, "text": "x" * 1000})
            await until(lambda: system.metric(node, "channelgate_outbox_bytes") > 0, "it to wait")
            assert [event["number"] for event in await read_to(raw, 19)] == [-1, *range(20)]
            raw.abort()
            await until(lambda: system.metric(node, "channelgate_connections") == 0, "the client to be gone")
    assert system.metric(node, "channelgate_closes_total", reason="slow_client") == 0


async def test_a_thousand_stalled_readers_stay_within_their_bound_and_delay_no_other(system):
    outbox, many = 262_144, 1000
    node = system.start_node(config=FEEDS, **SMALL)
    reader = await Client.open(node.port, "/oldest/")
    alone = await publish(system, 100, 2_000, readers=[reader])
    stalls = []
    for _ in range(0, many, 50):
        stalls += await asyncio.gather(*(Raw.stalled(node.port, "/oldest/") for _ in range(50)))
    before = private(node)
    took = await publish(system, 400, 2_000, readers=[reader], already=100)
    grown = private(node) - before
    # Each has a full outbox, of bytes that are in memory once.
    assert system.metric(node, "channelgate_drops_total", reason="oldest") > many * 100
    assert system.metric(node, "channelgate_connections") == many + 1
    print(
        f"\n{many} stalled readers: {grown / many:.0f} bytes each, of {outbox}; gauge "
        f"{system.metric(node, 'channelgate_outbox_bytes'):.0f}; "
        f"latency ms, alone {percentile(alone, 99) * 1000:.1f}, beside them {percentile(took, 99) * 1000:.1f} (p99)"
    )
    assert grown < 16_384 * many + (8 << 20)
    assert [event["number"] for event in reader.json()] == list(range(500))
    assert percentile(took, 99) < 1
    for raw in stalls:
        raw.abort()
    await until(lambda: system.metric(node, "channelgate_outbox_bytes") == 0, "nothing to wait any more")


def percentile(values: list[float], percent: int) -> float:
    """One that waits for others waits at each event; a machine that stands still for a moment delays a few."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


async def test_waiting_bytes_on_the_node_are_bounded_and_the_fullest_go_first(system):
    limit = 8 << 20
    env = {**SMALL, "CHANNELGATE__SOCKET__OUTBOX": "1048576", "CHANNELGATE__SOCKET__OUTBOX_TOTAL": str(limit)}
    node = system.start_node(config=FEEDS + ROOMS, **env)
    reader = await Client.open(node.port, "/close/")
    before = private(node)
    stalls = [await Raw.stalled(node.port, f"/room/{number}/") for number in range(40)]
    highest = 0.0
    async with system.publisher() as publisher:
        for turn in range(40):
            # Different bytes for each, so that nothing is shared; the first ten get twice as much.
            for number in range(40):
                size = 40_000 if number < 10 else 20_000
                await publisher.group_send(f"room_{number}", {"type": "said", "text": "x" * size})
            await publisher.group_send("feed", {"type": "tick", "number": turn})
            await reader.count_of(turn + 1)
            highest = max(highest, system.metric(node, "channelgate_outbox_bytes"))
    closed = system.metric(node, "channelgate_closes_total", reason="outbox_total")
    assert 10 <= closed < 40 and system.metric(node, "channelgate_closes_total", reason="slow_client") == 0
    # Exact except for amounts that the workers have not reported yet.
    assert limit / 2 < highest < limit * 1.1
    assert private(node) - before < limit + (16 << 20)
    assert system.metric(node, "channelgate_drops_total", reason="shed") > closed
    codes = await asyncio.gather(*(raw.close_code() for raw in stalls[:10]))
    assert codes == [1013] * 10, "the fullest went"
    for raw in stalls:
        raw.abort()
    assert [event["number"] for event in reader.json()] == list(range(40))


async def test_memory_stays_flat_behind_a_stalling_link_and_clients_catch_up_once_it_is_repaired(system):
    node, total = system.start_node(config=FEEDS, **SMALL), 600
    reader = await Client.open(node.port, "/close/")
    async with Stalling(node.port) as link:
        paths = ("/oldest/", "/latest/", "/close/")
        opened = await asyncio.gather(*(Client.open(link.port, path) for path in paths for _ in range(20)))
        late, closed = {"/oldest/": opened[:20], "/latest/": opened[20:40]}, opened[40:]
        # The buffers in between are filled first, and then the outboxes.
        await publish(system, 200, 4_000, readers=[reader])
        full = private(node)
        waiting = system.metric(node, "channelgate_outbox_bytes")
        await publish(system, total - 200, 4_000, readers=[reader], already=200)
        assert private(node) - full < 4 << 20
        assert system.metric(node, "channelgate_outbox_bytes") < 2 * waiting
        link.mended.set()
        for client in closed:
            assert (await client.gone(30))[0] == 1013
        newest = set(range(total - KEYS, total))
        lost = dict.fromkeys(late, 0)
        for path, clients in late.items():
            for client in clients:
                await client.wait(lambda client: newest <= tail(client), "the newest of each key", 30)
                numbers = [event["number"] for event in client.json()]
                assert path == "/latest/" or numbers == sorted(set(numbers))
                lost[path] += total - len(numbers)
        drops = {"/oldest/": "oldest", "/latest/": "superseded"}
        assert lost == {path: system.metric(node, "channelgate_drops_total", reason=drops[path]) for path in late}
        assert all(lost.values())
    assert [event["number"] for event in reader.json()] == list(range(total))


async def test_a_client_that_reads_slowly_is_alive_and_one_that_reads_nothing_is_cut(system):
    env = {"PING_INTERVAL": "4s", "PING_TIMEOUT": "4s", "TCP_USER_TIMEOUT": "8s"}
    node = system.start_node(config=FEEDS, **{**SMALL, **{f"CHANNELGATE__SOCKET__{key}": env[key] for key in env}})
    slow, dead = [await Raw.stalled(node.port, "/oldest/") for _ in range(2)]
    async with system.publisher() as publisher:
        for number in range(300):
            await publisher.group_send("feed", {"type": "tick", "number": number, "text": "x" * 4_000})
        # Never up to date, and silent: only its reading shows that it is alive.
        end = asyncio.get_running_loop().time() + 16
        while asyncio.get_running_loop().time() < end:
            opcode, _ = await slow.read()
            assert opcode == 0x1
            for _ in range(2):
                number += 1
                await publisher.group_send("feed", {"type": "tick", "number": number, "text": "x" * 4_000})
            await asyncio.sleep(0.1)
    assert system.metric(node, "channelgate_connections") == 1
    assert system.metric(node, "channelgate_outbox_bytes") > 0
    await read_to(slow, number)
    for raw in (slow, dead):
        raw.abort()


def tail(client: Client) -> set[int]:
    """The last numbers that arrived: of a queue of replaced events, or of one without its oldest."""
    return {json.loads(frame)["number"] for frame in client.frames[-10 * KEYS :]}
