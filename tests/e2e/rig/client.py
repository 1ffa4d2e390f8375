"""A WebSocket client that records its messages, in order."""

import asyncio
import contextlib
import json

import stack
import websockets
from websockets.asyncio.client import ClientConnection, connect

from .deadline import in_time

#: For expected events; a busy machine may take this long, unless a test says otherwise.
DEADLINE = 30.0


async def until(condition, what: str, deadline: float = DEADLINE, pause: float = 0.02):
    """Waits for a condition and returns its value; the condition may be a coroutine function."""
    end = asyncio.get_running_loop().time() + deadline
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"not within {deadline:g} s: {what}")
        await asyncio.sleep(pause)


class Client:
    """An open socket; `frames` holds every message so far, `closed` the close code and reason once it is closed."""

    def __init__(self, connection: ClientConnection):
        self.connection = connection
        self.frames: list[str | bytes] = []
        self.closed: tuple[int, str] | None = None
        self.news = asyncio.Event()
        self.reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, port: int, path: str, site: str = stack.LOOPBACK, **options) -> "Client":
        """Opens a socket from the site's own origin; `options` are those of `websockets.connect`."""
        options.setdefault("origin", f"http://{site}:{port}")
        if site != stack.LOOPBACK:
            options |= {"host": stack.LOOPBACK, "port": port}
        options.setdefault("compression", None)
        options.setdefault("proxy", None)
        options.setdefault("max_size", None)
        options.setdefault("max_queue", None)
        options.setdefault("ping_interval", None)
        options.setdefault("open_timeout", DEADLINE)
        options.setdefault("close_timeout", 2)
        try:
            return cls(await connect(f"ws://{site}:{port}{path}", **options))
        except websockets.InvalidStatus as error:
            error.add_note(f"{path}: {error.response.body.decode(errors='replace')}")
            raise

    async def _read(self) -> None:
        try:
            async for message in self.connection:
                self.frames.append(message)
                self.news.set()
        except websockets.ConnectionClosed:
            pass
        self.closed = (self.connection.close_code, self.connection.close_reason)
        self.news.set()

    async def send(self, message) -> None:
        """Sends text or bytes unchanged, anything else as JSON."""
        await self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def wait(self, condition, what: str, deadline: float = DEADLINE):
        """Waits until `condition(self)` is true, checking each time something arrives."""
        end = asyncio.get_running_loop().time() + deadline
        while not (value := condition(self)):
            remaining = end - asyncio.get_running_loop().time()
            if remaining <= 0:
                last = [frame[:200] for frame in self.frames[-3:]]
                raise AssertionError(
                    f"not within {deadline:g} s: {what}; {len(self.frames)} frames, last {last}, {self.closed=}"
                )
            self.news.clear()
            with contextlib.suppress(TimeoutError):
                await in_time(remaining, self.news.wait())
        return value

    async def count(self, number: int, deadline: float = DEADLINE) -> list:
        """Waits for this many frames, and returns all of them decoded."""
        await self.count_of(number, deadline)
        return self.json()

    async def count_of(self, number: int, deadline: float = DEADLINE) -> None:
        """Waits for this many frames, without decoding them."""
        await self.wait(lambda client: len(client.frames) >= number, f"{number} frames", deadline)

    async def gone(self, deadline: float = DEADLINE) -> tuple[int, str]:
        """Waits for the end; returns code and reason."""
        return await self.wait(lambda client: client.closed, "the connection to be closed", deadline)

    def json(self) -> list:
        return [json.loads(frame) for frame in self.frames]

    async def close(self) -> None:
        await self.connection.close()
        await self.reader


async def refusal(port: int, path: str, **options) -> int:
    """The HTTP status that refuses a handshake; 101 if it is accepted."""
    try:
        client = await Client.open(port, path, **options)
    except websockets.InvalidStatus as error:
        return error.response.status_code
    await client.close()
    return 101
