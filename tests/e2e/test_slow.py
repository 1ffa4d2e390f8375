"""Clients that do not read: what each consumer's policy makes of them, and that nobody else notices."""

import asyncio
import json
import socket
import time

import stack
from rig.client import Client, until
from rig.raw import Raw

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
    "CHANNELGATE__SOCKET__USER_TIMEOUT": "0s",
    "CHANNELGATE__SERVER__DRAIN_GRACE": "20s",
}
KEYS = 20


async def stalled(port: int, path: str) -> Raw:
    """A client whose system takes a few kilobytes, and that does not read until it is asked to."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (stack.LOOPBACK, port))
    raw = Raw(*await asyncio.open_connection(sock=sock, limit=2**10))
    await raw.shake(port, path)
    return raw


async def read_to(raw: Raw, number: int) -> list[dict]:
    """Reads until the event with this number."""
    events = []
    while not events or events[-1]["number"] != number:
        events.append(json.loads((await raw.read())[1]))
    return events


async def publish(system, count: int, size: int, *, readers: list[Client], already: int = 0) -> list[float]:
    """Publishes to the feed, each event when all readers have the one before; how long each took."""
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


async def test_each_policy_keeps_its_word_and_healthy_readers_miss_nothing(system):
    node = system.start_node(config=FEEDS, **SMALL)
    paths = ("/close/", "/oldest/", "/latest/")
    healthy = [await Client.open(node.port, path) for path in paths]
    close, oldest, latest = [await stalled(node.port, path) for path in paths]
    total = 400
    took = await publish(system, total, 5_000, readers=healthy)
    for client in healthy:
        assert [event["number"] for event in client.json()] == list(range(total))
    assert max(took) < 1, "nobody waits for those that do not read"

    def drops(reason: str) -> float:
        return system.metric(node, "channelgate_drops_total", reason=reason)

    # What was closed has all up to the point where its outbox was full, then the reason; what waited was counted.
    got = []
    while (frame := await close.read())[0] != 0x8:
        got.append(json.loads(frame[1])["number"])
    assert got == list(range(len(got))) and frame[1][:2] == (1013).to_bytes(2)
    assert system.metric(node, "channelgate_closes_total", reason="slow_client") == 1
    # What waited is lost; what came after the close was for nobody.
    assert 30 < drops("slow_client") < total - len(got)
    # Whole messages in order, the last one among them, and every missing one was counted.
    numbers = [event["number"] for event in await read_to(oldest, total - 1)]
    assert numbers == sorted(set(numbers)) and total - len(numbers) == drops("oldest") > 100
    # The newest of each key, and every replaced one was counted.
    events = await read_to_newest(latest, total)
    newest = {event["key"]: event["number"] for event in events}
    assert newest == {number % KEYS: number for number in range(total - KEYS, total)}
    assert total - len(events) == drops("superseded") > 100
    await until(lambda: system.metric(node, "channelgate_outbox_bytes") == 0, "nothing to wait any more")
    # They go on as if nothing had been.
    await publish(system, 10, 10, readers=healthy, already=total)
    for raw in (oldest, latest):
        assert [event["number"] for event in await read_to(raw, total + 9)][-10:] == list(range(total, total + 10))
        raw.abort()
    close.abort()


async def read_to_newest(raw: Raw, total: int) -> list[dict]:
    """Reads until the newest event of every key has come."""
    events, missing = [], set(range(total - KEYS, total))
    while missing:
        events.append(json.loads((await raw.read())[1]))
        missing.discard(events[-1]["number"])
    return events
