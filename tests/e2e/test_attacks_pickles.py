"""Small pickles in Redis that demand much work: the work on one is bounded, and so is its result."""

import asyncio
import os
from pathlib import Path

import redis
from rig.attack import Watch
from rig.client import Client
from rig.config import ECHO


def emission(data: bytes) -> bytes:
    """The message of python-socketio for `emit("x", data, room="a")`, with opcodes for the data."""
    text = lambda word: b"\x8c" + bytes([len(word)]) + word  # noqa: E731
    parts = {
        b"method": text(b"emit"),
        b"event": text(b"x"),
        b"data": data,
        b"room": text(b"a"),
        b"namespace": text(b"/"),
    }
    return b"\x80\x04}(" + b"".join(text(name) + value for name, value in parts.items()) + b"u."


def repeated(first: bytes, count: int) -> bytes:
    """A list of one value, which is duplicated on the stack again and again (DUP)."""
    return emission(b"](" + first + b"2" * (count - 1) + b"e")


HOSTILE = {
    "nothing of the kind": emission(b"K\x01"),
    "an integer of a thousand bytes, 6,000 times": repeated(b"\x8b\xe8\x03\0\0" + b"\x7f" * 1000, 6000),
    "a text of a kilobyte, 10,000 times": repeated(b"X\xe8\x03\0\0" + b"x" * 1000, 10_000),
    # [value] * 10, nested nine deep: a billion values.
    "lists of the same lists": emission(b"](" * 9 + b"N" + (b"2" * 9 + b"e") * 9),
    "integers in decimal": emission(b"](" + (b"I" + b"9" * 9000 + b"\n") * 5 + b"e"),
}


async def test_a_small_pickle_costs_little_time(system):
    node = system.start_node(config=ECHO + FEED)
    client = await Client.open(node.port, "/feed/")
    bus = redis.Redis(port=system.redis.port)
    too_much = []
    async with system.publisher() as publisher:
        for what, hostile in HOSTILE.items():
            assert len(hostile) < 50_000
            watch, seen, began = Watch(node), len(client.frames), processor(node)
            await asyncio.to_thread(bus.publish, "socketio", hostile)
            await publisher.group_send("broadcast", {"type": "send_event", "what": what})
            await client.count_of(seen + 1, 60)
            work = processor(node) - began
            watch.stop()
            said = f"{what}: {len(hostile)} bytes, {work:.2f} s of work, +{watch.growth / 2**20:.1f} MiB"
            print(said)
            if work > 0.5 or watch.growth > 32 << 20:
                too_much.append(said)
    await client.close()
    assert not too_much, too_much


def processor(node) -> float:
    """A node's processor time in seconds: a busy machine does not lengthen it."""
    fields = Path(f"/proc/{node.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


FEED = """
[[consumer]]
path = "/feed/"
groups = ["broadcast"]
[consumer.on_event.send_event]
send = "event"
"""
