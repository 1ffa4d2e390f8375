"""Three hundred clients that attack a node's memory, and a watcher that measures it all the time.

A row is an attack on one kind of input: the node may grow by one and a half times the bound of that kind, and a
little; other clients are served meanwhile; and when the attackers are gone, their memory is freed.
"""

import asyncio
import contextlib
import struct
import threading
import time
from collections.abc import Awaitable, Callable

import stack

from .client import until
from .config import ATTACKED
from .deadline import in_time
from .engine import BASE, Polling
from .memory import memory
from .raw import BINARY, TEXT, Raw, request

#: The number of attackers per row.
CLIENTS = 300
#: How much a node may grow in addition to one and a half times the bound: freed memory still counts, which the
#: allocator's own thread returns late on a busy machine.
SLACK = 24 << 20
#: Recovered means at most a tenth more than at rest, of that or of the permitted growth; within this time.
KEPT, LATER = 0.10, 30
#: The variation of a node's memory between two storms of harmless clients.
NOISE = 4 << 20
#: A node is killed at this size in any case: the machine must survive.
CAP = 3 << 30

#: The bounds of the kinds of input, as small as the rows need.
BOUNDS = {
    "socket.inbox": 256 << 10,
    "socket.inbox_total": 16 << 20,
    "socket.message_timeout": "2s",
    "server.body_timeout": "2s",
    "server.handshake_timeout": "2s",
    "limits.admission_timeout": "5s",
    "limits.connection_state": 16 << 10,
    "socketio.connect_timeout": "5s",
    "socketio.poll_timeout": "1s",
    "socketio.max_pending": 400,
}


def bounds(**others: object) -> dict[str, str]:
    """The bounds as variables; `socket__inbox=5` sets a different value."""
    values = {**BOUNDS, **{key.replace("__", "."): value for key, value in others.items()}}
    return {f"CHANNELGATE__{key.replace('.', '__').upper()}": str(value) for key, value in values.items()}


class Target:
    """The attacked node: one for all rows, and a new one after a row that ended it or left it full."""

    def __init__(self, system, backend_port: int, config: str = ATTACKED, **env: str):
        self.system = system
        self.config = config
        self.env = {
            "CHANNELGATE_BACKEND_URL": f"http://{stack.LOOPBACK}:{backend_port}/",
            # The allocator returns free memory at once, so that a row need not wait for it.
            "_RJEM_MALLOC_CONF": "background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0",
            **env,
        }
        self._node: stack.Part | None = None
        self._fresh = 0

    async def node(self) -> stack.Part:
        if self._node is None or not self._node.running or memory(self._node) > self._fresh * 1.15:
            if self._node is not None and self._node.running:
                self._node.kill()
            self._node = self.system.start_node(config=self.config, **self.env)
            await self._warm_up()
            self._fresh = memory(self._node)
        return self._node

    async def _warm_up(self) -> None:
        """As many clients as will attack come and go, so that one-time allocations are done."""
        crowd = Crowd(self._node)
        raws = await crowd.sockets("/plain/")
        await crowd.write(frame(TEXT, b'{"type":"echo","data":1}'), raws)
        await crowd.namespaces()
        crowd.leave()
        await served(self._node)
        await asyncio.sleep(0.5)


class Watch:
    """Measures the memory of a process about two hundred times a second."""

    def __init__(self, node: stack.Part):
        self.node = node
        self.idle = self.most = memory(node)
        self.ended = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(0.005):
            try:
                self.most = max(self.most, now := memory(self.node))
            except (OSError, AssertionError):
                self.ended = True
                return
            if now > CAP:
                self.node.kill()

    @property
    def growth(self) -> int:
        return self.most - self.idle

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


class Crowd:
    """The attackers' connections."""

    def __init__(self, node: stack.Part):
        self.node = node
        self.port = node.port
        self.raws: list[Raw] = []
        self.came = 0

    async def open(self, how: Callable[[], Awaitable], count: int = CLIENTS) -> list:
        """Opens this many, thirty at a time; refused ones are left out."""
        opened = []
        for _ in range(0, count, 30):
            together = await asyncio.gather(*(in_time(10, how()) for _ in range(30)), return_exceptions=True)
            opened += [one for one in together if not isinstance(one, BaseException)]
        self.raws += [one for one in opened if isinstance(one, Raw)]
        self.came += len(opened)
        return opened

    async def sockets(self, path: str, count: int = CLIENTS) -> list[Raw]:
        return await self.open(lambda: Raw.open(self.port, path), count)

    async def namespaces(self, count: int = CLIENTS, auth: bytes = b"", query: str = "", **headers: str) -> list[Raw]:
        """Sockets in the main namespace of Socket.IO."""

        async def enter() -> Raw:
            raw = await Raw.tcp(self.port)
            await raw.write(request(self.port, f"{BASE}websocket{query}", **headers))
            assert (await raw.head())[0] == 101
            await raw.read()
            await raw.write(frame(TEXT, b"40" + auth))
            opcode, payload = await raw.read()
            assert (opcode, payload[:3]) == (TEXT, b"40{"), payload
            return raw

        return await self.open(enter, count)

    async def each(self, act: Callable, ones: list | None = None, deadline: float = 4) -> None:
        """All act at the same time; none for longer than that, with any result."""

        async def one(client) -> None:
            with contextlib.suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError, OSError):
                await in_time(deadline, act(client))

        await asyncio.gather(*(one(client) for client in (self.raws if ones is None else ones)))

    async def write(self, data: bytes, ones: list[Raw] | None = None) -> None:
        await self.each(lambda raw: raw.write(data), ones)

    def leave(self) -> None:
        for raw in self.raws:
            raw.abort()
        self.raws.clear()


class Attack(Crowd):
    """An attack in progress: the crowd, and the watcher."""

    def __init__(self, node: stack.Part, what: str, bound: int):
        super().__init__(node)
        self.what = what
        self.allowed = bound * 3 // 2 + SLACK
        self.watch = Watch(node)

    async def begun(self) -> None:
        """The sent data has had time to be read. Other clients are still served."""
        await asyncio.sleep(0.3)
        await served(self.node)


@contextlib.asynccontextmanager
async def attack(node: stack.Part, what: str, bound: int):
    """One row: the block is the attack."""
    await served(node)
    row = Attack(node, what, bound)
    trouble = None
    try:
        yield row
        await row.begun()
    except AssertionError as error:
        trouble = str(error)
    finally:
        row.leave()
    within = row.watch.growth <= row.allowed
    limit = row.watch.idle + max(int(KEPT * max(row.watch.idle, row.allowed)), NOISE)
    began = time.monotonic()
    # If it grew too much, that is enough to know; the test need not take half a minute more.
    back = None
    while node.running and time.monotonic() - began < (LATER if within else 3):
        if memory(node) <= limit:
            back = time.monotonic() - began
            break
        await asyncio.sleep(0.1)
    kept = memory(node) - row.watch.idle if node.running else None
    row.watch.stop()
    said = report(row, kept, back)
    print(said)
    assert node.running and not row.watch.ended, said
    assert within, said
    assert back is not None, said
    assert trouble is None, f"{said}; {trouble}"
    await served(node)


def report(row: Attack, kept: int | None, back: float | None) -> str:
    after = "the node is gone" if kept is None else f"{kept / 2**20:+.1f} kept"
    after += f", back after {back:.1f} s" if back is not None else ", not back in time"
    return (
        f"{row.what}: {row.came} came; idle {row.watch.idle / 2**20:.1f} MiB, grew by {row.watch.growth / 2**20:.1f}"
        f" of {row.allowed / 2**20:.1f} allowed; {after}"
    )


async def served(node: stack.Part) -> None:
    """Another client connects and is answered."""

    async def answered() -> bool:
        raw = None
        try:
            raw = await in_time(15, Raw.open(node.port, "/plain/"))
            await raw.write(frame(TEXT, b'{"type":"echo","data":1}'))
            opcode, payload = await raw.read(15)
            return (opcode, payload) == (TEXT, b"1")
        except (OSError, AssertionError, TimeoutError, asyncio.IncompleteReadError):
            return False
        finally:
            if raw is not None:
                raw.abort()

    # No promise: a debug build reads the attackers' megabytes first, beside what else a machine does.
    await until(answered, "another client to be served", 30, 0.1)


def frame(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0, missing: int = 0) -> bytes:
    """A frame with a zero mask, so that it costs nothing to make; the last bytes may be missing."""
    length = len(payload) + missing
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 1 << 16:
        head += b"\xfe" + struct.pack("!H", length)
    else:
        head += b"\xff" + struct.pack("!Q", length)
    return head + bytes(4) + payload


def packet(text: bytes, *attachments: bytes) -> bytes:
    """A Socket.IO packet as frames."""
    return frame(TEXT, b"4" + text) + b"".join(frame(BINARY, bytes_) for bytes_ in attachments)


def post(port: int, path: str, length: int, sent: bytes = b"", method: str = "POST", **headers: str) -> bytes:
    """A request with this body length, and the part of it that is sent."""
    lines = {"Host": f"{stack.LOOPBACK}:{port}", "Content-Length": str(length), **headers}
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items()), "", ""])
    return head.encode() + sent


async def polling(port: int) -> Polling:
    """A polling session in the main namespace."""
    session = await Polling.open(port)
    await session.join()
    return session
