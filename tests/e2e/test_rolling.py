"""Three nodes behind nginx, restarted one after the other under reconnecting clients."""

import asyncio
import dataclasses
import itertools
import random
import signal

import pytest
import stack
from rig.client import Client, until

CLIENTS = 200
PERIOD = 3.0
#: A drain with a visible spread that is over within seconds.
DRAIN = {
    "CHANNELGATE__SERVER__DRAIN_DELAY": "500ms",
    "CHANNELGATE__SERVER__DRAIN_PERIOD": f"{PERIOD}s",
    # On a busy machine two hundred clients in one process take time to answer a Close.
    "CHANNELGATE__SERVER__DRAIN_GRACE": "10s",
}


@dataclasses.dataclass
class Stay:
    """One connection: its first event, its last event before it was closed, and the events it got."""

    opened: int
    numbers: list[int] = dataclasses.field(default_factory=list)
    code: int | None = None
    closed: int = 0


class Viewer:
    """A client like a page: it reconnects when it is closed, after a random moment."""

    def __init__(self, roll: "Roll"):
        self.roll = roll
        self.stays: list[Stay] = []
        self.refusals: list[str] = []
        self.client: Client | None = None

    async def watch(self) -> None:
        while self.roll.going:
            try:
                self.client = await Client.open(self.roll.port, "/ws/", **self.roll.origin)
            except Exception as problem:
                self.refusals.append(repr(problem))
                await asyncio.sleep(0.1)
                continue
            self.roll.handshakes.append(asyncio.get_running_loop().time())
            # Events published from now on must arrive; those in transit to Redis at this moment may.
            stay = Stay(opened=self.roll.begun + 1)
            self.stays.append(stay)
            await self.client.wait(lambda client: client.closed or not self.roll.going, "the end", 120)
            if not self.roll.going:
                await self.client.wait(self.has_the_last, "the last")
            stay.closed = self.roll.sent
            stay.numbers = [frame["data"] for frame in self.client.json()]
            if self.client.closed:
                stay.code = self.client.closed[0]
                # Like a careful client: not all of them at the moment of the close.
                await asyncio.sleep(random.uniform(0, 0.3))
            else:
                await self.client.close()

    def has_the_last(self, client: Client) -> bool:
        return bool(client.frames) and client.json()[-1]["data"] >= self.roll.sent


class Roll:
    """The stack, a stream of numbered events, and the viewers."""

    def __init__(self, system):
        self.system = system
        self.port = system.start_nginx().port
        self.origin = {"origin": f"http://{stack.LOOPBACK}:{self.port}"}
        self.going = True
        self.begun = self.sent = 0
        self.handshakes: list[float] = []
        #: When this process, with all clients, went on after it had stood still, and for how long it had.
        self.stalls: list[tuple[float, float]] = []
        self.viewers = [Viewer(self) for _ in range(CLIENTS)]

    async def stream(self) -> None:
        async with self.system.publisher(capacity=10_000) as publisher:
            while self.going:
                self.begun += 1
                await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": self.begun})
                self.sent = self.begun
                await asyncio.sleep(0.1)

    async def tick(self) -> None:
        loop, tick = asyncio.get_running_loop(), 0.05
        while True:
            began = loop.time()
            await asyncio.sleep(tick)
            if (late := loop.time() - began - tick) > tick:
                self.stalls.append((loop.time(), late))

    def span(self, start: float, end: float) -> float:
        """The time in which the clients came that were back within this one: also that of a stall before."""
        return end - start + sum(late for at, late in self.stalls if start - 0.6 < at < end)

    def open(self) -> int:
        """The number of open connections that have an event: the next restart may end them before there is another."""
        return sum(
            bool(one and one.frames) and one.closed is None for one in (viewer.client for viewer in self.viewers)
        )


@pytest.mark.alone("needs the cores for 200 clients and three nodes, and measures how they come back")
@pytest.mark.timeout(180)
async def test_a_rolling_restart_loses_nothing_unnoticed_refuses_no_client_and_makes_no_storm(system):
    for _ in range(3):
        system.start_node(wait=False, **DRAIN)
    await asyncio.to_thread(system.wait)
    roll = Roll(system)
    tasks = [asyncio.create_task(viewer.watch()) for viewer in roll.viewers]
    streaming, ticking = asyncio.create_task(roll.stream()), asyncio.create_task(roll.tick())
    await until(lambda: roll.open() == CLIENTS, "all clients to be connected", 60)
    loop = asyncio.get_running_loop()
    rolled: list[tuple[float, float]] = []
    for node in list(system.nodes):
        began = loop.time()
        node.signal(signal.SIGTERM)
        assert await asyncio.to_thread(node.join, 30) == 0
        rolled.append((began, loop.time()))
        await asyncio.to_thread(lambda node=node: node.start().wait())
        await until(lambda: roll.open() == CLIENTS, "all clients to be back", 30)
    # One more event, so that the last connection of each has one to end with.
    enough = roll.sent + 5
    await until(lambda: roll.sent > enough, "the last events")
    roll.going = False
    await streaming
    for viewer in roll.viewers:
        viewer.client.news.set()
    await asyncio.gather(*tasks)
    ticking.cancel()

    away, moves = 0, 0
    for viewer in roll.viewers:
        assert viewer.refusals == []
        assert len(viewer.stays) >= 2, "every client was moved at least once"
        moves += len(viewer.stays) - 1
        for stay in viewer.stays:
            # Without a gap from the first to the last, and from the moment at which the socket was open.
            assert stay.numbers == list(range(stay.numbers[0], stay.numbers[0] + len(stay.numbers))), stay
            assert stay.numbers[0] <= stay.opened
        assert {stay.code for stay in viewer.stays[:-1]} == {1012}, "each knows that it was away"
        assert viewer.stays[-1].numbers[-1] >= roll.sent
        for before, after in itertools.pairwise(viewer.stays):
            missed = after.numbers[0] - before.numbers[-1] - 1
            assert missed >= 0, "none twice"
            away += missed
    expected = CLIENTS * roll.sent
    got = sum(len(stay.numbers) for viewer in roll.viewers for stay in viewer.stays)
    joined = sum(viewer.stays[0].numbers[0] - 1 for viewer in roll.viewers)
    assert got + away + joined == expected, "every event of every client is accounted for"

    # Spread as configured: no tenth of the time has more than a few times its share.
    for began, ended in rolled:
        times = [time for time in roll.handshakes if began <= time <= ended + 1]
        for start in times:
            share = len(times) * roll.span(start, start + 0.3) / PERIOD
            came = sum(start <= time < start + 0.3 for time in times)
            assert came <= 4 * share, (came, share)
    print(f"{moves} moves, {away} events missed while away, of {expected}")
