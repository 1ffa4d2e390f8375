"""Drives both sides: opens them, sends the script to one after the other, and listens."""

import asyncio
import contextlib
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from channelgate.shadow.record import Side, Stage
from channelgate.shadow.recorded import Act, Recorded
from channelgate.shadow.script import Step
from channelgate.shadow.target import Target, Visitor

#: A message is answered when nothing came for so long.
QUIET = 0.5
#: The longest wait for an answer, and for silence before a message and after a handshake: there may be traffic.
PATIENCE, CALM = 10.0, 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """How many frames come of something: to the side itself, and to the other one. None: what comes before silence."""

    own: int | None = None
    others: int | None = None
    #: Whether the server closes the connection.
    closes: bool = False


ANY = Wanted()


class Shadow:
    """One visitor on two servers."""

    def __init__(
        self, left: Target, right: Target, visitor: Visitor, quiet: float = QUIET, patience: float = PATIENCE
    ) -> None:
        self.visitor, self.quiet, self.patience = visitor, quiet, patience
        self.stage = Stage()
        self.left, self.right = (Side(target, visitor, self.stage) for target in (left, right))
        self.acts: list[Act] = []
        self._steps = 0

    @property
    def sides(self) -> tuple[Side, Side]:
        """Left and right."""
        return self.left, self.right

    @property
    def is_open(self) -> bool:
        """Whether both are."""
        return self.left.is_open and self.right.is_open

    @property
    def heard(self) -> tuple[int, int]:
        """How many frames each side has got since the last act began."""
        turn = self.stage.turn
        left, right = (self._got(side, turn) for side in self.sides)
        return left, right

    async def open(self, wants: Wanted = ANY) -> None:
        """Opens left, then right: what a handshake writes or publishes is told apart from the other's."""
        left = await self._turn(self.left, self.left.open, wants, CALM)
        # In traffic the left gets more than is its own: the right does not wait long for as much.
        patience = CALM if wants.own is None else None
        own = self._got(self.left, left) if wants.own is None else wants.own
        wants = Wanted(own, wants.others, not self.left.is_open)
        right = await self._turn(self.right, self.right.open, wants, CALM, patience)
        self.acts.append(Act("opening", left, right))
        self.listen()

    async def reconnect(self, leaves: Wanted = ANY, comes: Wanted = ANY) -> None:
        """Closes and opens each side again while the other one stays."""
        self._steps += 1
        await self._before()
        turns: list[tuple[int, int]] = []
        both = True
        for side in self.sides:
            both = both and self._other(side).is_open
            gone = await self._turn(side, side.close, leaves)
            back = await self._turn(side, side.open, comes)
            turns.append((gone, back))
            if side is self.left:
                # The left has gone by itself, and is back unless the server refuses or closes.
                leaves, comes = dataclasses.replace(self._like(gone), closes=False), self._like(back)
        (left, first), (right, second) = turns
        self.acts.append(Act("leaving", left, right, self._steps, both=both))
        self.acts.append(Act("reconnect", first, second, self._steps, both=both))
        self.listen()

    async def say(self, step: Step) -> None:
        """Sends a message on the left, waits for what comes of it, and does the same on the right."""
        self._steps += 1
        data = step.data if step.data is not None else ""
        await self._before()
        turns: list[int | None] = []
        wants = Wanted(step.frames, step.others, step.closes)
        both = True
        for side in self.sides:
            both = both and self._other(side).is_open
            # What came of the left's message may have closed the right, too.
            turn = await self._turn(side, functools.partial(side.send, data), wants) if side.is_open else None
            turns.append(turn)
            if turn is not None and side is self.left:
                wants = self._like(turn)
        self.acts.append(Act("message", turns[0], turns[1], self._steps, data, both=both))
        self.listen()

    def listen(self) -> None:
        """From now on both sides hear the same."""
        turn = self.stage.next_turn()
        self.acts.append(Act("listening", turn, turn))

    async def play(self, steps: Sequence[Step]) -> None:
        """A whole script."""
        for step in steps:
            if step.reconnect:
                await self.reconnect()
            elif step.data is not None:
                await self.say(step)
            await asyncio.sleep(step.wait)

    async def settle(self, patience: float) -> None:
        """Waits for silence, and until both sides have heard equally much: in traffic, that is where to cut."""
        await self._silence(patience)
        await self.until(lambda: self.heard[0] == self.heard[1], patience)

    async def until(self, condition: Callable[[], bool], patience: float) -> bool:
        """Waits for a condition, looking each time something arrives."""
        end = self.stage.now() + patience
        while not condition():
            left = end - self.stage.now()
            if left <= 0:
                return False
            await self._news(left)
        return True

    async def finish(self, patience: float = 0.0) -> Recorded:
        """Closes both. What one of them has heard by now may come to the other one within `patience` seconds."""
        if self.acts and patience:
            turn, grace = self.stage.turn, self.stage.next_turn()
            self.acts[-1] = dataclasses.replace(self.acts[-1], grace=grace)

            def has_all() -> bool:
                left, right = (self._got(side, turn) + self._got(side, grace) for side in self.sides)
                return left == right

            await self.until(has_all, patience)
        # What comes of the end itself belongs to no act.
        self.stage.next_turn()
        for side in self.sides:
            await side.close()
        left, right = (side.recording for side in self.sides)
        return Recorded(left, right, tuple(self.acts), tuple(self.stage.starts), self.visitor.ids)

    async def _turn(
        self,
        side: Side,
        do: Callable[[], Awaitable[Any]],
        wants: Wanted,
        calm: float | None = None,
        patience: float | None = None,
    ) -> int:
        """Does something on one side, and waits for what comes of it: what is wanted, and silence."""
        other = self._other(side)
        turn = self.stage.next_turn()
        await do()

        def has_come() -> bool:
            enough = not wants.closes and self._got(side, turn) >= (wants.own or 0)
            return (enough or not side.is_open) and (self._got(other, turn) >= (wants.others or 0) or not other.is_open)

        await self.until(has_come, self.patience if patience is None else patience)
        await self._silence(self.patience if calm is None else calm, since=self.stage.now())
        return turn

    def _other(self, side: Side) -> Side:
        return self.right if side is self.left else self.left

    def _got(self, side: Side, turn: int) -> int:
        return side.recording.counts[turn]

    def _like(self, turn: int) -> Wanted:
        """What the right has to wait for: as much as came of it on the left."""
        return Wanted(self._got(self.left, turn), self._got(self.right, turn), not self.left.is_open)

    async def _before(self) -> None:
        """A message is sent into silence, if there is any."""
        await self.settle(CALM)

    async def _silence(self, patience: float, since: float = 0.0) -> None:
        """Until nothing has come for a while since then; gives up after `patience` seconds."""
        end = self.stage.now() + patience
        while (rest := max(self.stage.last, since) + self.quiet - self.stage.now()) > 0:
            left = end - self.stage.now()
            if left <= 0:
                return
            await self._news(min(rest, left))

    async def _news(self, seconds: float) -> None:
        self.stage.check()
        self.stage.news.clear()
        waiting = asyncio.ensure_future(self.stage.news.wait())
        await asyncio.wait({waiting}, timeout=seconds)
        waiting.cancel()


async def run(shadow: Shadow, steps: Sequence[Step], seconds: float, tolerance: float, stop: Any) -> Recorded:
    """The command's way through: opens, plays, listens for the rest of the time or until `stop`, and closes."""
    try:
        await shadow.open()
        began = shadow.stage.now()
        work = asyncio.ensure_future(_until_the_end(shadow, steps, began + seconds))
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if work.done():
            work.result()
        else:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
    except BaseException:
        await shadow.finish()
        raise
    recorded = await shadow.finish(tolerance)
    shadow.stage.check()
    return recorded


async def _until_the_end(shadow: Shadow, steps: Sequence[Step], end: float) -> None:
    await shadow.play(steps)
    await shadow.until(lambda: not any(side.is_open for side in shadow.sides), max(end - shadow.stage.now(), 0.0))
