"""What a run leaves behind: handshakes, frames and closes of both sides, and the acts they belong to.

An act is what happens on both sides: on each in a turn of its own where the other would disturb it (a handshake, a
message), or on both at once (listening).
"""

import collections
import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Handshake:
    """The outcome: 101 if the socket is open."""

    status: int
    subprotocol: str | None
    seconds: float
    #: Why a browser would not use the socket although the server accepts.
    problem: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """One frame: seconds since the beginning, the turn, and its content."""

    at: float
    turn: int
    data: str | bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Close:
    """The server has closed the connection."""

    at: float
    turn: int
    code: int
    reason: str


@dataclasses.dataclass(slots=True)
class Connection:
    """One handshake, and how the connection ended if the server ended it."""

    handshake: Handshake
    closed: Close | None = None


@dataclasses.dataclass(slots=True)
class Recording:
    """Everything of one side."""

    name: str
    base: str
    connections: list[Connection] = dataclasses.field(default_factory=list)
    frames: list[Frame] = dataclasses.field(default_factory=list)
    #: How many frames came in each turn.
    counts: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    #: Characters and bytes of all frames.
    size: int = 0

    def add(self, frame: Frame) -> None:
        """One more frame."""
        self.frames.append(frame)
        self.counts[frame.turn] += 1
        self.size += len(frame.data)

    def of(self, turn: int) -> list[Frame]:
        """The frames of one turn."""
        return [frame for frame in self.frames if frame.turn == turn]


@dataclasses.dataclass(frozen=True, slots=True)
class Act:
    """What happened, and in which turn of each side; listening has one turn for both."""

    what: str
    left: int | None
    right: int | None
    #: The script's step, as it is named in the report.
    step: int = 0
    #: The message that was sent.
    data: str | bytes = ""
    #: The turn after the last listening: what a side got before may come to the other one in it.
    grace: int | None = None
    #: Whether each side was there while it was the other one's turn.
    both: bool = True

    @property
    def name(self) -> str:
        """How the report calls it."""
        return f"{self.what} {self.step}" if self.step else self.what


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """All that a comparison needs."""

    left: Recording
    right: Recording
    acts: tuple[Act, ...]
    #: When each turn began.
    starts: tuple[float, ...]
    ids: tuple[str, ...] = ()
