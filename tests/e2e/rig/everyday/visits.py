"""What a visit of a project is made of."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Visit:
    """A user at a path. The numbers say how many frames come, so that nothing waits longer than it must."""

    who: str
    path: str
    #: Steps of `--script`.
    script: tuple[dict, ...] = ()
    #: Frames after the handshake; after the next ones, if they differ.
    opens: int = 0
    reopens: int | None = None
    #: Whether the server closes the connection at once.
    closes: bool = False
    #: Frames that the same user's other connection gets when this one comes, and when it goes.
    arrives: int = 0
    leaves: int = 0
    ignore: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Change:
    """A request to a view; `hears` has the frames that each of the two users gets for it."""

    method: str
    path: str
    body: dict | None = None
    who: str = "anna"
    hears: tuple[int, int] = (0, 0)


@dataclasses.dataclass(frozen=True)
class Project:
    """One project."""

    name: str
    #: session | query | cookie
    login: str
    visits: tuple[Visit, Visit]
    changes: tuple[Change, ...]
    #: What ends it.
    last: tuple[Change, ...] = ()
    logout: str = ""
    #: Frames of the first user's handshake after that.
    afterwards: int = 0
    #: Whether the server then closes the connection.
    closes: bool = False
    #: Clients that are refused, or let in to be sent away.
    others: tuple[Visit, ...] = ()
    page: str = ""

    def __str__(self) -> str:
        return self.name


def say(frames: int, others: int = 0, tells: int = 0, **message) -> dict:
    """A message as JSON, and what comes of it: to its side, to the other side, and to each side of the other user."""
    return {"send": message, "frames": frames, "others": others, **({"tells": tells} if tells else {})}
