"""What a run of a method leaves: its paths, with their conditions and effects; and what is known before it."""

import dataclasses
from typing import Any

from channelgate.translate.source import Class, Source
from channelgate.translate.values import Expr


class Raised(Exception):
    """The method raises an exception of this class."""

    def __init__(self, error: type[BaseException], node: Any = None):
        super().__init__(error.__name__)
        self.error = error
        self.node = node


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """Something that others notice: accept, close, join, leave, send, send_text, publish."""

    what: str
    value: Expr | None = None
    #: Of `publish`, and of `join` and `leave`: the group.
    group: Expr | None = None
    place: str = ""


@dataclasses.dataclass(slots=True)
class Problem:
    """A statement that is not understood."""

    reason: str
    place: str
    quote: str

    def __str__(self) -> str:
        quote = f": {self.quote}" if self.quote else ""
        return f"{self.place}{quote} ({self.reason})"


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """An expression that the method evaluates."""

    #: True where Python does not raise.
    condition: Expr
    #: Its text; in an effect or condition it raises by itself.
    text: str
    #: Whether it has to be asked in any case: the node goes on where it is missing.
    is_asked: bool = False


@dataclasses.dataclass(slots=True)
class Path:
    """One way through a method."""

    conditions: list[tuple[Expr, bool]]
    effects: list[Effect]
    attributes: dict[str, Any]
    #: "return", "raise", or "python": something on the way is not understood.
    end: str = "return"
    error: type[BaseException] | None = None
    problems: list[Problem] = dataclasses.field(default_factory=list)
    #: Expressions of which an `except` expects that they fail, and does nothing then.
    is_caught: bool = False
    #: Whether the method goes on after such an `except`.
    goes_on_after: bool = False
    notes: list[str] = dataclasses.field(default_factory=list)
    #: What the method evaluates: where it raises, nothing may happen in the node, either.
    needs: list["Need"] = dataclasses.field(default_factory=list)

    def asks(self, what: str) -> bool | None:
        """What the path knows about a special condition: of "login" and "json"."""
        for condition, is_true in self.conditions:
            if condition.special and condition.special.what == what:
                return is_true
        return None


@dataclasses.dataclass(slots=True)
class Context:
    """What is known before the method runs."""

    cls: Class
    #: "absent": the scope has no user. "open": who it is decides the consumer. "required": somebody is logged in.
    #: "optional": perhaps. "django": as in a consumer that Django runs.
    user: str = "absent"
    #: The user's attributes that the node knows: name → name in the node, kind.
    people: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    #: Why it knows nothing of them.
    no_people: str = ""
    #: Parameters of the path: an expression, or a constant.
    route: dict[str, Any] = dataclasses.field(default_factory=dict)
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict)
    #: Whether the method may assign attributes of the consumer: in `connect()`.
    may_set: bool = False
    #: Whether a statement that is not understood is passed over, and noted: in `connect()`.
    goes_on: bool = False


@dataclasses.dataclass(slots=True)
class Frame:
    """A function that runs."""

    source: Source
    names: dict[str, Any]
    depth: int = 0
