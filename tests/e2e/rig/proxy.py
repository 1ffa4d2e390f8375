"""A TCP proxy that can be cut: the network between a node and its Redis."""

import asyncio
import contextlib

import stack

from rig.client import until


class Proxy:
    """Forwards to a port until it is cut; then it closes all connections and accepts no new ones."""

    def __init__(self, target: int):
        self.target = target
        self.port = stack.free_port()
        self.server: asyncio.Server | None = None
        self.open: set[asyncio.StreamWriter] = set()
        self.near: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task] = set()

    @classmethod
    async def start(cls, target: int) -> "Proxy":
        proxy = cls(target)
        await proxy.mend()
        return proxy

    async def mend(self) -> None:
        self.server = await asyncio.start_server(self._serve, stack.LOOPBACK, self.port)

    async def cut(self) -> None:
        self.server.close()
        for writer in list(self.open):
            writer.transport.abort()
        await self.server.wait_closed()

    async def shut_down(self) -> None:
        """As a server does that stops: it accepts no new connections, and the clients see the end of the idle ones.

        It returns once they have closed theirs, so that none writes into a connection that is already gone.
        """
        self.server.close()
        for writer in self.near:
            writer.write_eof()
        await until(lambda: not self.tasks, "the clients to close their connections")
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(task := asyncio.current_task())
        task.add_done_callback(self.tasks.discard)
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(stack.LOOPBACK, self.target)
            self.open |= {writer, far_writer}
            self.near.add(writer)
            try:
                await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
            finally:
                self.open -= {writer, far_writer}
                self.near.discard(writer)
                writer.transport.abort()
                far_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
