"""What arrives on each side, with the turn in which it arrives."""

import asyncio
import contextlib
import time

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from channelgate.shadow.handshake import MAX_SIZE, open_side
from channelgate.shadow.recorded import Close, Connection, Frame, Recording
from channelgate.shadow.target import Target, Visitor

#: RFC 6455: the connection ended without a close frame.
ABNORMAL = 1006
#: A message is longer than the client takes.
TOO_BIG = 1009


#: Frames of a side, and their characters and bytes, that are kept for the comparison.
MOST_FRAMES, MOST_SIZE = 100_000, MAX_SIZE


class TooMuch(Exception):
    """A side sends more than can be compared; the text says which."""


class Stage:
    """The clock and the turn, which both sides share, and the news that something has arrived."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.turn = 0
        self.starts = [0.0]
        self.last = 0.0
        self.news = asyncio.Event()
        #: Why the run has to end.
        self.problem: str | None = None

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def next_turn(self) -> int:
        """From now on frames belong to another turn."""
        self.turn += 1
        self.starts.append(self.now())
        return self.turn

    def check(self) -> None:
        """Raises if the run has to end."""
        if self.problem is not None:
            raise TooMuch(self.problem)

    def arrived(self) -> None:
        """Something has come."""
        self.last = self.now()
        self.news.set()


class Side:
    """One side: its socket and its recording."""

    def __init__(self, target: Target, visitor: Visitor, stage: Stage) -> None:
        self.target, self.visitor, self.stage = target, visitor, stage
        self.recording = Recording(target.name, target.base)
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._is_leaving = False

    @property
    def is_open(self) -> bool:
        """Whether the server has accepted, and has not closed since."""
        return self._socket is not None and not self._is_leaving and self.recording.connections[-1].closed is None

    async def open(self) -> None:
        """Makes a handshake and begins to read."""
        self._is_leaving = False
        handshake, self._socket = await open_side(self.target, self.visitor)
        connection = Connection(handshake)
        self.recording.connections.append(connection)
        if self._socket is not None:
            self._reader = asyncio.create_task(self._read(self._socket, connection))

    async def _read(self, socket: ClientConnection, connection: Connection) -> None:
        try:
            while True:
                data = await socket.recv()
                self.recording.add(Frame(self.stage.now(), self.stage.turn, data))
                self.stage.arrived()
                if len(self.recording.frames) > MOST_FRAMES or self.recording.size > MOST_SIZE:
                    self._too_much()
                    return
                # Frames that are here already are no reason to wait: the other side and the clock have their turn.
                await asyncio.sleep(0)
        except ConnectionClosed as end:
            if end.sent is not None and end.sent.code == TOO_BIG and not end.rcvd_then_sent:
                self._too_much()
                return
            if not self._is_leaving:
                code, reason = (end.rcvd.code, end.rcvd.reason) if end.rcvd else (ABNORMAL, "")
                connection.closed = Close(self.stage.now(), self.stage.turn, code, reason)
            self.stage.arrived()

    def _too_much(self) -> None:
        what = f"more than {MOST_FRAMES} messages, or {MOST_SIZE >> 20} MB"
        self.stage.problem = f"{self.target.name} {self.target.base} sends {what}: listen for fewer --seconds"
        self.stage.arrived()

    async def send(self, data: str | bytes) -> bool:
        """Sends a message; False if the server has closed the connection."""
        if self._socket is None or not self.is_open:
            return False
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(data)
            return True
        return False

    async def close(self) -> None:
        """Leaves, as a page does that is closed."""
        if self._socket is None:
            return
        self._is_leaving = self.is_open
        await self._socket.close()
        if self._reader is not None:
            await self._reader
