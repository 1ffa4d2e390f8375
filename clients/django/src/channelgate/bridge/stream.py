"""A call's lines as the body of a Django response: an iterator under WSGI, an async one under ASGI.

Under WSGI a call has an event loop of its own, which runs while the server asks for the next piece.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

from channelgate.bridge import reply
from channelgate.bridge.leftovers import describe
from channelgate.bridge.request import Item
from channelgate.bridge.run import GRACE, Runner
from channelgate.bridge.serve import depart, run_all

logger = logging.getLogger("channelgate.bridge")


class Pieces:
    """Runs the calls in a task and hands over what they write."""

    def __init__(self, runner: Runner, items: list[Item], batch: bool) -> None:
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.lines = reply.Lines(self._pieces.put)
        self.task = asyncio.get_running_loop().create_task(self._run(runner, items, batch))

    async def _run(self, runner: Runner, items: list[Item], batch: bool) -> None:
        try:
            await run_all(runner, items, batch, self.lines)
        finally:
            await self.lines.settle()
            self._pieces.put_nowait(self.lines.take())
            self._pieces.put_nowait(b"")

    async def next(self) -> bytes:
        """The next piece; empty at the end."""
        return await self._pieces.get()

    async def close(self) -> None:
        """The server asks for no more."""
        if not self.task.done():
            await depart(self.lines)
            await asyncio.wait([self.task])


def synchronous(runner: Runner, items: list[Item], batch: bool) -> Iterator[bytes]:
    """For WSGI."""
    loop = asyncio.new_event_loop()
    pieces: Pieces | None = None
    try:
        pieces = loop.run_until_complete(_begin(runner, items, batch))
        while piece := loop.run_until_complete(pieces.next()):
            yield piece
    finally:
        if pieces is not None:
            loop.run_until_complete(pieces.close())
        loop.run_until_complete(_end())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _begin(runner: Runner, items: list[Item], batch: bool) -> Pieces:
    return Pieces(runner, items, batch)


async def _end() -> None:
    """What outlives the handler has as long as after a node that has gone; then it is lost with the loop."""
    left = asyncio.all_tasks() - {task for task in [asyncio.current_task()] if task is not None}
    if not left:
        return
    _, running = await asyncio.wait(left, timeout=GRACE)
    for task in running:
        logger.warning("A task that a consumer left running ends with its request under WSGI: %s", describe(task))
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


#: Calls whose node has gone: kept, because the loop keeps no reference to a task.
_departing: set[asyncio.Task[None]] = set()


async def asynchronous(runner: Runner, items: list[Item], batch: bool) -> AsyncIterator[bytes]:
    """For Django's ASGI handler, which cancels a response that is read no further."""
    pieces = Pieces(runner, items, batch)
    try:
        while piece := await pieces.next():
            yield piece
    finally:
        if not pieces.task.done():
            task = asyncio.get_running_loop().create_task(pieces.close())
            _departing.add(task)
            task.add_done_callback(_departing.discard)
