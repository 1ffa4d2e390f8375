"""What a scenario is: data only. It has no expected frames, because Daphne is the oracle; it has their number.

The numbers make a script wait for what it needs, so that the next step meets the same state on every server.
"""

import dataclasses
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Open:
    """Opens client `name`. `user` brings the session cookie; `{user.jwt}` and saved values are put into texts."""

    name: str
    path: str
    user: str | None = None
    protocols: Sequence[str] = ()
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    host: str | None = None
    origin: str | None = ""
    #: Also compares headers and body of a refusal.
    whole: bool = False
    #: Compares only whether it was accepted: Daphne gives up without an answer.
    loose: bool = False


@dataclasses.dataclass(frozen=True)
class Send:
    """Sends text or bytes as they are, anything else as JSON; `{…}` of saved values is put into text."""

    name: str
    message: object


@dataclasses.dataclass(frozen=True)
class Frames:
    """Waits until the client has this many frames in all. Their order counts, unless `unordered` of them race."""

    name: str
    total: int
    unordered: bool = False


@dataclasses.dataclass(frozen=True)
class Publish:
    """An event from another process of the project."""

    group: str
    event: Mapping[str, object]


@dataclasses.dataclass(frozen=True)
class Request:
    """A request to a view of the project; values of its JSON answer can be saved."""

    method: str
    path: str
    data: object = None
    user: str | None = None
    save: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Save:
    """Saves a value of the client's latest frame, by its key."""

    name: str
    key: str
    into: str


@dataclasses.dataclass(frozen=True)
class Close:
    """The client closes."""

    name: str
    code: int = 1000
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Drop:
    """The client goes without a word."""

    name: str


@dataclasses.dataclass(frozen=True)
class Gone:
    """Waits until the server has closed the client."""

    name: str


@dataclasses.dataclass(frozen=True)
class Heard:
    """Waits until the listener of a group has this many events in all."""

    group: str
    total: int


@dataclasses.dataclass(frozen=True)
class Stored:
    """Waits until this many rows meet the condition."""

    table: str
    where: str
    count: int


Step = Open | Send | Frames | Publish | Request | Save | Close | Drop | Gone | Heard | Stored


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows to compare in the end; it waits until `count` of them also meet `done`."""

    table: str
    where: str
    count: int
    done: str = "1"


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One script. Those of one lane run one after the other, because their consumers share a group or rows."""

    name: str
    #: The class, below `corpus.`.
    consumer: str
    steps: Sequence[Step]
    #: Group → the number of events that it hears in all.
    events: Mapping[str, int] = dataclasses.field(default_factory=dict)
    rows: Sequence[Rows] = ()
    #: The server that does it right: Daphne has no reasons, no headers with the acceptance, no denial responses.
    oracle: str = "daphne"
    layers: Sequence[str] = ("core", "pubsub")
    #: Part of the sample for several nodes.
    sample: bool = False

    @property
    def lane(self) -> str:
        return self.consumer
