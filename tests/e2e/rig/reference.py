"""A client for Channelgate in Python, written from docs/PROTOCOL.md alone. It proves that the page is sufficient.

It connects by plain WebSocket or Socket.IO, and keeps what it sends and gets in `wire`, its events in `events`.
"""

import asyncio
import contextlib
import json
import random
import re
import urllib.parse
from collections import deque
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from .deadline import in_time

CODES = {
    "closed": {1000},
    "retry": {1001, 1005, 1006, 1014, 1015, 4408},
    "retry-soon": {1012},
    "retry-later": {1011, 1013},
    "expired": {4401, 4001, 4003},
    "unauthorized": {4403},
    "failed": {1002, 1003, 1007, 1008, 1009, 1010, 4000, 4004, 4404},
}
REFUSALS = {
    "Service unavailable": "retry-later",
    "too many connections of this user": "retry-later",
    "Invalid namespace": "failed",
}
UNKNOWN_RETRIES = 3
CONNECT_TIMEOUT, STABLE_AFTER, TOKEN_TIMEOUT = 20, 5, 10
QUEUED, QUEUED_BYTES, QUEUED_SECONDS = 100, 256 << 10, 30


def verdict(code: int, unknown: int = 0) -> str:
    """What a close code means; `unknown` is how many in a row were of the application."""
    for meaning, codes in CODES.items():
        if code in codes:
            return meaning
    return "retry" if 3000 <= code <= 4999 and unknown < UNKNOWN_RETRIES else "failed"


def delay(meaning: str, n: int, chance: float) -> float:
    """Seconds before the next attempt; `chance` is from 0 to 1."""
    if meaning == "expired":
        return 0
    if meaning == "retry-soon":
        return max(chance * 2, 0.25)
    wait = chance * min(30, 2**n)
    return max(wait, 5 if meaning == "retry-later" else 0.25)


class Missed(Exception):
    """The line is dead, or the handshake was refused."""


class Reference:
    """One client. `token` gives a fresh token for each attempt, or None if there is none."""

    def __init__(
        self,
        url: str,
        socketio: bool = False,
        token: Callable[[], Awaitable[str | None]] | None = None,
        token_in: str = "query",
        asks: bool = True,
        idle: float = 25,
        patience: float = 10,
        load: Callable[[], Awaitable[None]] | None = None,
    ):
        self.url, self.socketio, self.token, self.token_in = url, socketio, token, token_in
        self.asks, self.idle, self.patience, self.load = asks, idle, patience, load
        self.status, self.recovery, self.missed = "connecting", "live", []
        self.verdict: str | None = None
        #: How each attempt ended, and what that means.
        self.ends: list[tuple[object, str]] = []
        self.closed: tuple[int, str] | None = None
        self.refused: int | str | None = None
        self.hello: dict | None = None
        self.hellos: list[dict] = []
        self.events: list[tuple[str, object]] = []
        self.wire: list[tuple[str, str]] = []
        self.subprotocol: str | None = None
        self.first = True
        self.wanted: dict[str, tuple] = {}
        self.queue: deque[tuple[float, str]] = deque()
        self.socket = None
        self.n = self.unknown = 0
        self.news = asyncio.Event()
        self.task: asyncio.Task | None = None
        self.loading: asyncio.Task | None = None

    # What an application calls.

    def start(self) -> "Reference":
        self.task = asyncio.create_task(self._run())
        return self

    async def stop(self) -> None:
        self.status = "closed"
        tasks = [task for task in (self.task, self.loading) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def send(self, event: str, *data, volatile: bool = False) -> str:
        """Sends a message, or keeps it for the next connection."""
        frame = self._frame(event, data)
        if self.status == "open":
            await self._write(frame)
            return "sent"
        if volatile:
            return "dropped"
        now = asyncio.get_running_loop().time()
        self.queue.append((now, frame))
        while len(self.queue) > QUEUED or sum(len(one.encode()) for _, one in self.queue) > QUEUED_BYTES:
            self.queue.popleft()
            self._miss("outbox")
        return "queued"

    async def want(self, event: str, *data) -> None:
        """A room or a topic: its message is sent now, and again in each new connection."""
        self.wanted[self._frame(event, data)] = (event, *data)
        if self.status == "open":
            await self._write(self._frame(event, data))

    async def ping(self) -> None:
        """A heartbeat now."""
        await self._write("ping")

    # The connection.

    async def _run(self) -> None:
        expired_at = None
        while self.status not in ("closed", "failed", "unauthorized"):
            meaning = await self._attempt()
            self.ends.append((self.closed or self.refused, meaning))
            now = asyncio.get_running_loop().time()
            if meaning == "expired":
                if self.token is None or (expired_at is not None and now - expired_at < 10):
                    meaning = "unauthorized"
                expired_at = now
            self.verdict = meaning
            if meaning in ("unauthorized", "failed", "closed"):
                self.status = meaning
                self.news.set()
                return
            self.status = "reconnecting"
            self.news.set()
            await asyncio.sleep(delay(meaning, self.n, random.random()))
            if meaning != "retry-soon":
                self.n += 1

    async def _attempt(self) -> str:
        """One connection from the token to its end; returns the verdict."""
        token = None
        if self.token is not None:
            try:
                token = await in_time(TOKEN_TIMEOUT, self.token())
            except Exception:
                return "retry"
            if token is None:
                return "unauthorized"
        self.closed = self.refused = self.hello = self.socket = None
        self.first = True
        opened = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                self.socket = await self._connect(token)
                self.subprotocol = self.socket.subprotocol
                if self.socketio:
                    await self._join(token)
            opened = asyncio.get_running_loop().time()
            await self._serve()
        except Missed:
            pass
        except InvalidHandshake as error:
            self.refused = getattr(getattr(error, "response", None), "status_code", None)
        except (OSError, TimeoutError, ConnectionClosed):
            pass
        finally:
            if self.socket is not None:
                with contextlib.suppress(Exception):
                    await self.socket.close()
        return self._ended(opened)

    def _ended(self, opened: float | None) -> str:
        if opened is not None and asyncio.get_running_loop().time() - opened >= STABLE_AFTER:
            self.n = 0
        if self.socketio and isinstance(self.refused, str):
            return "expired" if self.refused == "io server disconnect" else REFUSALS.get(self.refused, "expired")
        if self.refused is not None:
            return "retry-later" if self.socketio and self.refused in (429, 503) else "retry"
        code = self.socket.close_code if self.socket is not None else 1006
        self.closed = (code or 1006, (self.socket.close_reason if self.socket is not None else "") or "")
        meaning = verdict(self.closed[0], self.unknown)
        self.unknown = self.unknown + 1 if self.closed[0] >= 3000 and meaning == "retry" else 0
        return "retry" if self.socketio and meaning == "closed" else meaning

    async def _connect(self, token: str | None):
        address = urllib.parse.urlsplit(self.url)
        query = urllib.parse.parse_qsl(address.query)
        headers, subprotocols = {}, None
        if self.socketio:
            query += [("EIO", "4"), ("transport", "websocket")]
        else:
            if self.asks:
                query.append(("cg", "1"))
            match self.token_in if token else None:
                case "query":
                    query.append(("token", token))
                case "header":
                    headers["Authorization"] = f"Bearer {token}"
                case "subprotocol":
                    subprotocols = ["access_token", token]
        url = urllib.parse.urlunsplit(address._replace(query=urllib.parse.urlencode(query)))
        # Without `origin`: this is not a browser. The library answers WebSocket's pings.
        return await connect(
            url,
            additional_headers=headers,
            subprotocols=subprotocols,
            ping_interval=None,
            max_size=16 << 20,
            close_timeout=1,
            proxy=None,
        )

    async def _join(self, token: str | None) -> None:
        """Socket.IO's handshake."""
        opened = json.loads((await self._read())[1:])
        self.idle, self.patience = opened["pingInterval"] / 1000, opened["pingTimeout"] / 1000
        auth = {**({"token": token} if token else {}), **({"cg": 1} if self.asks else {})}
        await self._write("40" + (self._json(auth) if auth else ""))
        while not (packet := await self._read()).startswith(("40", "44")):
            await self._packet(packet)
        if packet.startswith("44"):
            self.refused = json.loads(packet[2:])["message"]
            raise Missed

    async def _serve(self) -> None:
        if self.hellos or self.events or self.missed:
            self._miss("reconnected")
        self.status = "open"
        for event in self.wanted.values():
            await self._write(self._frame(event[0], event[1:]))
        now = asyncio.get_running_loop().time()
        while self.queue:
            since, frame = self.queue.popleft()
            if now - since > QUEUED_SECONDS:
                self._miss("outbox")
            else:
                await self._write(frame)
        if self.recovery != "live":
            self._recover(shared=self.verdict == "retry-soon")
        self.news.set()
        while True:
            packet = await self._frame_in_time()
            if self.socketio:
                await self._packet(packet)
            elif packet != "pong":
                self._event(*self._named(packet))
            self.news.set()

    async def _frame_in_time(self) -> str:
        """The next frame; a line without one is dead. In Socket.IO the node asks, else this client."""
        if self.socketio:
            with contextlib.suppress(TimeoutError):
                return await in_time(self.idle + self.patience, self._read())
        elif self.hello is None:
            return await self._read()
        else:
            with contextlib.suppress(TimeoutError):
                return await in_time(self.idle, self._read())
            await self._write("ping")
            with contextlib.suppress(TimeoutError):
                return await in_time(self.patience, self._read())
        self.socket.transport.abort()
        raise Missed

    # Frames.

    async def _read(self) -> str:
        frame = await self.socket.recv()
        self.wire.append(("<", frame))
        return frame

    async def _write(self, frame: str) -> None:
        self.wire.append((">", frame))
        await self.socket.send(frame)

    @staticmethod
    def _json(value) -> str:
        return json.dumps(value, separators=(",", ":"))

    def _frame(self, event: str, data: tuple) -> str:
        if self.socketio:
            return "42" + self._json([event, *data])
        return self._json({"type": event, **(data[0] if data else {})})

    @staticmethod
    def _named(text: str) -> tuple[str, object]:
        try:
            frame = json.loads(text)
        except ValueError:
            return "", text
        if not isinstance(frame, dict):
            return "", frame
        if isinstance(frame.get("event"), str):
            return frame["event"], frame.get("data")
        kind = frame.get("type")
        return (kind if isinstance(kind, str) else ""), frame

    async def _packet(self, packet: str) -> None:
        """One packet of Socket.IO, after the handshake."""
        if packet == "2":
            await self._write("3")
        elif packet.startswith("41"):
            self.refused = "io server disconnect"
            raise Missed
        elif packet.startswith("42"):
            name, *args = json.loads(packet[2:].lstrip("0123456789"))
            self._event(name, args[0] if args else None)

    def _event(self, name: str, data: object) -> None:
        first, self.first = self.first, False
        if name == "hello" and first and self.asks:
            self.hello = {key: data[key] for key in ("node", "id", "v")}
            self.hellos.append(self.hello)
            return
        if name == "gap" and self._is_notice(data):
            self._miss("gap")
            self._recover(shared=True)
        self.events.append((name, data))

    @staticmethod
    def _is_notice(data: object) -> bool:
        """Whether a `gap` is the node's, and not an event of the application."""
        match data:
            case {"reason": str(reason), **others}:
                groups = others.get("groups")
                named = isinstance(groups, list) and all(isinstance(name, str) for name in groups)
                return re.fullmatch(r"\w+", reason) is not None and (groups is None or named)
        return False

    # Recovery.

    def _miss(self, reason: str) -> None:
        self.recovery = "missed"
        self.missed.append(reason)

    def _recover(self, shared: bool = False) -> None:
        """Loads the data anew; a miss during a load begins it again. `shared`: all clients do so now."""
        if self.load is None:
            return
        self.recovery = "recovering"
        if self.loading:
            self.loading.cancel()
        self.loading = asyncio.create_task(self._load(shared))

    async def _load(self, shared: bool) -> None:
        if shared:
            await asyncio.sleep(random.uniform(0, 2))
        n = 0
        while True:
            try:
                await self.load()
            except Exception:
                self.recovery = "missed"
                self.news.set()
                await asyncio.sleep(delay("retry", n, random.random()))
                n += 1
            else:
                self.recovery = "live"
                return self.news.set()
