"""The reply to a call: one JSON object a line, written as the consumer acts, from whichever thread it acts in.

Lines of one turn of the event loop leave together, so that a short handler costs one write.
"""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from channelgate.bridge.texts import encoder

logger = logging.getLogger("channelgate.bridge")

CONTENT_TYPE = b"application/x-ndjson"

#: Bytes that wait to be read before a handler that sends on waits, too.
FULL = 1024 * 1024

#: Publishes to the layer itself what a command would have published: the node that would carry it out is gone.
Fallback = Callable[[], Awaitable[Any]]

encode = encoder(allow_nan=False)


def line(record: dict[str, Any]) -> bytes:
    """One line. A lone surrogate in a text that cannot be refused any more becomes a question mark."""
    return (encode(record) + "\n").encode("utf-8", "replace")


class Reply(Protocol):
    """Where a call's lines go."""

    @property
    def gone(self) -> bool:
        """The node does not read any more."""

    def write(self, record: dict[str, Any], fallback: Fallback | None = None) -> None:
        """Takes a line, from any thread."""

    @property
    def full(self) -> bool:
        """More waits than a node that reads would leave."""

    async def room(self) -> None:
        """Waits until the node has read on."""

    async def look(self) -> None:
        """Asks the server whether the node has gone."""

    async def instead(self, fallback: Fallback) -> None:
        """Publishes, in order, what a node that has gone would have published."""


class Numbered:
    """The lines of one call in a batch."""

    def __init__(self, reply: Reply, number: int) -> None:
        self._reply, self._number = reply, number

    @property
    def gone(self) -> bool:
        return self._reply.gone

    def write(self, record: dict[str, Any], fallback: Fallback | None = None) -> None:
        self._reply.write({"n": self._number, **record}, fallback)

    @property
    def full(self) -> bool:
        return self._reply.full

    async def room(self) -> None:
        await self._reply.room()

    async def look(self) -> None:
        await self._reply.look()

    async def instead(self, fallback: Fallback) -> None:
        await self._reply.instead(fallback)


async def _nowhere(data: bytes) -> None:
    """Takes what comes after the end."""


class Lines:
    """Collects lines and hands them over in pieces, once per turn of the event loop."""

    def __init__(
        self, write: Callable[[bytes], Awaitable[None]], look: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """`write` sends a piece of the body; it is awaited one piece at a time. `look` calls `depart` if the node has
        gone."""
        self.gone = False
        #: The tasks that run calls for this reply.
        self.calls: list[asyncio.Task[Any]] = []
        self._write = write
        self._look = look
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        # Outside of the call's own context: what is started here is not the consumer's.
        self._context = contextvars.copy_context()
        self._waiting: list[tuple[bytes, Fallback | None]] = []
        self._size = 0
        self._read: asyncio.Event | None = None
        self._scheduled = False
        self._writer: asyncio.Task[None] | None = None
        self._publishing: asyncio.Lock | None = None

    def write(self, record: dict[str, Any], fallback: Fallback | None = None) -> None:
        if self.gone:
            return
        data = line(record)
        self._waiting.append((data, fallback))
        self._size += len(data)
        if self._scheduled:
            return
        self._scheduled = True
        if threading.get_ident() == self._thread:
            self._loop.call_soon(self._start, context=self._context)
        else:
            self._loop.call_soon_threadsafe(self._start, context=self._context)

    def _start(self) -> None:
        self._scheduled = False
        if self._waiting and not self.gone and (self._writer is None or self._writer.done()):
            self._writer = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        while self._waiting and not self.gone:
            await self._write(self.take())
            if self._read is not None:
                self._read.set()

    def take(self) -> bytes:
        """Everything that waits, as one piece."""
        waiting, self._waiting = self._waiting, []
        self._size = 0
        return b"".join([data for data, _ in waiting])

    @property
    def full(self) -> bool:
        return self._size > FULL

    async def room(self) -> None:
        while self.full and not self.gone:
            self._read = self._read or asyncio.Event()
            self._read.clear()
            await self._read.wait()

    async def look(self) -> None:
        # Another thread has another event loop, or none.
        if self._look is not None and not self.gone and threading.get_ident() == self._thread:
            await self._look()

    async def settle(self) -> None:
        """Waits for a piece that is being written; the caller writes the rest."""
        if self._writer is not None and not self._writer.done():
            await self._writer

    async def depart(self) -> None:
        """The node has gone: what it has not been given is published here, the rest is dropped."""
        self.gone = True
        if self._read is not None:
            self._read.set()
        waiting, self._waiting = self._waiting, []
        for _, fallback in waiting:
            if fallback is not None:
                await self.instead(fallback)

    def close(self) -> None:
        """Everything has been handed over. Who writes refers to these lines: they are freed at once without the way
        back."""
        self._write, self._look = _nowhere, None

    async def instead(self, fallback: Fallback) -> None:
        if self._publishing is None:
            self._publishing = asyncio.Lock()
        async with self._publishing:
            try:
                await fallback()
            except Exception:
                logger.exception("A message could not be published for a node that has gone")
