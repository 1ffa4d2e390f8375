"""A link that stalls half of the time: bytes arrive late, in small chunks, and often not at all for a while."""

import asyncio
import contextlib
import random

import stack

from .deadline import in_time
from .raw import narrow


class Stalling:
    """A TCP proxy in front of a port. Until it is repaired, data for the client waits half a second per kilobyte, and
    every other time it is not sent; the buffers on the way are small, so that the server notices.
    """

    PIECE, PAUSE = 1024, 0.5

    def __init__(self, to: int):
        self.to = to
        self.mended = asyncio.Event()
        self.links: set[asyncio.Task] = set()
        self.dice = random.Random(7)

    async def __aenter__(self) -> "Stalling":
        self.server = await asyncio.start_server(self._link, stack.LOOPBACK, 0, limit=2**10)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_) -> None:
        self.server.close()
        for link in self.links:
            link.cancel()
        await asyncio.gather(*self.links, return_exceptions=True)

    async def _link(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        server_in, server_out = await asyncio.open_connection(sock=await narrow(self.to), limit=2**10)
        for pump in (self._up(client_in, server_out), self._down(server_in, client_out)):
            task = asyncio.create_task(pump)
            self.links.add(task)
            task.add_done_callback(self.links.discard)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536 if self.mended.is_set() else self.PIECE):
                while not self.mended.is_set():
                    with contextlib.suppress(TimeoutError):
                        await in_time(self.PAUSE, self.mended.wait())
                    if self.dice.random() < 0.5:
                        break
                writer.write(data)
                await writer.drain()
        writer.close()
