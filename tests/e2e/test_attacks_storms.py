"""Clients that join and leave rooms of the presets as fast as they can: the load on Redis is bounded."""

import asyncio
import time

import pytest
import stack
from rig.attack import frame
from rig.engine import open_socket
from rig.raw import TEXT

CLIENTS, ROOMS = 10, 1000
#: What the presets permit one client: a number at once, then a number per second.
BURST, RATE = 100, 5
#: Redis commands for a group that is joined and left: SUBSCRIBE, ZADD, EXPIRE, later UNSUBSCRIBE and ZREM.
COMMANDS = 5


@pytest.mark.alone("counts what a node sends to Redis in a time")
async def test_a_storm_of_joins_and_leaves_reaches_redis_at_a_bounded_rate(system):
    async def commands() -> int:
        text = await asyncio.to_thread(stack.redis_command, system.redis.port, "INFO stats")
        lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return int(lines["total_commands_processed"])

    node = system.start_node()
    raws = [await open_socket(node.port) for _ in range(CLIENTS)]
    before, began = await commands(), time.monotonic()
    await asyncio.sleep(2)
    quiet = (await commands() - before) / (time.monotonic() - began)

    before, began = await commands(), time.monotonic()
    for client, raw in enumerate(raws):
        rooms = [client * ROOMS + number for number in range(ROOMS)]
        join, leave = b'42["join_attendance_room",%d]', b'42["leave_attendance_room",%d]'
        await raw.write(b"".join(frame(TEXT, what % room) for room in rooms for what in (join, leave)))
    await asyncio.sleep(4)
    now = await commands()
    took = time.monotonic() - began
    sent = now - before - quiet * took
    allowed = CLIENTS * (BURST + RATE * took) * COMMANDS
    print(f"{CLIENTS * ROOMS} joins and leaves in {took:.1f} s: {sent:.0f} commands of {allowed:.0f} allowed")
    assert sent <= allowed
    for raw in raws:
        raw.abort()
