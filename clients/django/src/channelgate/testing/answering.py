"""Django as the node reaches it in a test: the project's consumers and actions, answered by this process.

An event loop in a thread of its own runs what `channelgate.bridge()` runs in `asgi.py`. As under an ASGI server, sync
code of the project runs in one thread, and what touches the database in it has the connections of the test.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async

from channelgate.bridge.entry import BridgeApplication
from channelgate.testing.clients import Clients, read_calls
from channelgate.testing.node import HOST
from channelgate.testing.sharing import Lent
from channelgate.views import project_runner

logger = logging.getLogger("channelgate.testing")

PREFIX = "/channelgate/"
#: Bytes of a line of a request.
LINE = 1024 * 1024


class _Entry(BridgeApplication):
    """The wrapper of `asgi.py` around the project's application, whose secret is that of the tests."""

    def __init__(self, secret: str) -> None:
        super().__init__(_not_found, PREFIX)
        self._secret = secret.encode()

    @property
    def secrets(self) -> tuple[bytes, ...]:
        return (self._secret,)

    @property
    def runner(self) -> Any:
        return project_runner()


class Answering:
    """A server for the node."""

    def __init__(self, secret: str) -> None:
        self._entry = _Entry(secret)
        self.clients = Clients()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="channelgate-answering", daemon=True)
        self._requests: set[asyncio.Task[None]] = set()
        self._server: Any = None
        self._database_thread = 0
        self.lent = Lent(self.in_database_thread)

    @property
    def url(self) -> str:
        """What is `backend.url` of the node."""
        port = self._server.sockets[0].getsockname()[1]
        return f"http://{HOST}:{port}{PREFIX.rstrip('/')}"

    def start(self) -> "Answering":
        """Begins to serve."""
        self._thread.start()
        self._server = self._await(asyncio.start_server(self._connected, HOST, 0, limit=LINE))
        self._database_thread = self._await(sync_to_async(threading.get_ident)())
        return self

    def stop(self) -> None:
        """Ends it, and what it still runs."""
        self.lent.take_back()
        self._await(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def in_database_thread(self, function: Callable[[], None]) -> None:
        """Runs a function in the thread in which sync code of the project runs."""
        # Queries of an asynchronous test are in this thread, too.
        if threading.get_ident() == self._database_thread:
            function()
        else:
            self._await(sync_to_async(function)())

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _await(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _close(self) -> None:
        self._server.close()
        for task in self._requests:
            task.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._requests.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._request(reader, writer):
                    pass
        finally:
            self._requests.discard(task)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; False if the connection ends with it."""
        line = await reader.readline()
        if not line:
            return False
        method, path, _ = line.decode("latin-1").split(" ", 2)
        headers: list[tuple[bytes, bytes]] = []
        while (line := (await reader.readline()).rstrip(b"\r\n")) != b"":
            name, _, value = line.partition(b":")
            headers.append((name.strip().lower(), value.strip()))
        body = await reader.readexactly(int(dict(headers).get(b"content-length", b"0")))
        calls = read_calls(body) if path == PREFIX + "channels" else []
        self.clients.arrive(calls)
        exchange = _Exchange(reader, writer, body)
        scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": headers}
        try:
            await self._entry(scope, exchange.receive, exchange.send)
        except Exception as error:
            logger.error("Django failed at the node's request %s: %s", path, error, exc_info=error)
            return False
        finally:
            self.clients.leave(calls, exchange.last)
        return exchange.ended_well


class _Exchange:
    """A request and its response, as an ASGI application sees them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> None:
        self._reader, self._writer = reader, writer
        self._body: bytes | None = body
        self._chunked = False
        #: The last piece of the response.
        self.last = b""
        #: Whether the connection can have another request.
        self.ended_well = False

    async def receive(self) -> dict[str, Any]:
        """The whole body, and then the end of the connection when it comes."""
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        # To read would take the first byte of the next request.
        while not self._reader.at_eof():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        """A part of the response."""
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            self._chunked = b"content-length" not in headers
            if self._chunked:
                headers[b"transfer-encoding"] = b"chunked"
            lines = [b"HTTP/1.1 %d -" % message["status"], *(b"%s: %s" % pair for pair in headers.items()), b"", b""]
            self._writer.write(b"\r\n".join(lines))
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if body:
            self.last = body
            self._writer.write(b"%x\r\n%s\r\n" % (len(body), body) if self._chunked else body)
        if not more:
            if self._chunked:
                self._writer.write(b"0\r\n\r\n")
            self.ended_well = True
        await self._writer.drain()


async def _not_found(scope: Any, receive: Any, send: Any) -> None:
    """Whatever is not a node's question."""
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body"})
