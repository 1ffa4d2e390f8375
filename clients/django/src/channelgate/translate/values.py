"""What a name or an expression of a consumer is known to be: an expression of the node, a dictionary under
construction, an object of Python, or a part of the connection."""

import dataclasses
import enum
from typing import Any

#: The names of the node that belong to one connection.
CONNECTION = frozenset({"user", "route", "query", "channel_name", "vars", "id"})
#: Levels of binding, tightest first: an operand of a lower level needs no parentheses.
ATOM, FILTER, PRODUCT, CONCAT, SUM, COMPARE, NOT, AND, OR, TERNARY = range(10)


class NotUnderstood(Exception):
    """A statement that has no equal in the configuration: it stays in Python."""

    def __init__(self, reason: str, node: Any = None):
        super().__init__(reason)
        self.reason = reason
        self.node = node


class _Nothing(enum.Enum):
    NOTHING = enum.auto()


#: In place of a constant, where a value is not known.
NOTHING = _Nothing.NOTHING


@dataclasses.dataclass(frozen=True, slots=True)
class Special:
    """What a condition asks, where the configuration has a place of its own for the question."""

    #: "login": is somebody logged in. "dispatch": has the message's `key` this `value`. "raw": is the text this
    #: `value`. "json": is the text JSON.
    what: str
    key: str = ""
    value: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Expr:
    """An expression of the node."""

    text: str
    #: str, int, digits, slug, word, uuid, bool, none, number, list, dict, bytes, or any.
    kind: str = "any"
    rank: int = ATOM
    #: The names it uses.
    sides: frozenset[str] = frozenset()
    const: Any = NOTHING
    #: Of a text: its constants and values, in their order.
    parts: tuple["Expr", ...] = ()
    #: The same condition, negated: its text and rank.
    negative: tuple[str, int] | None = None
    #: The condition in its positive form, and whether this is it.
    canon: tuple[str, bool] | None = None
    special: Special | None = None
    #: The key of the client's message that it is, if it is nothing else.
    key: str = ""
    #: Of a special condition that is negated.
    is_negated: bool = False
    #: Whether a node can divide the condition between the event and its members.
    divisible: bool = True
    #: What it evaluates in any case, and may raise.
    always: frozenset[str] = frozenset()
    #: What it has evaluated besides, if it is true.
    if_true: frozenset[str] = frozenset()
    #: Whether JSON and the channel layer can write it as Python does.
    is_plain: bool = True

    def within(self, rank: int) -> str:
        """Its text as an operand of an operator of this level."""
        return self.text if self.rank <= rank else f"({self.text})"

    @property
    def is_known(self) -> bool:
        return self.const is not NOTHING

    @property
    def own(self) -> frozenset[str]:
        """The names of the connection that it uses."""
        return self.sides & CONNECTION


class Thing(enum.Enum):
    """A part of the connection, or of Channels, that a consumer asks something of."""

    SELF = "self"
    SCOPE = "scope"
    USER = "the user"
    URL_ROUTE = "scope['url_route']"
    KWARGS = "the parameters of the path"
    LAYER = "the channel layer"
    QUERY_STRING = "the query string"
    #: `parse_qs`: lists of values, without empty ones.
    QUERY_LISTS = "the parsed query"
    #: `QueryDict`, and `dict(parse_qsl(…))`.
    QUERY_LAST = "the query"
    RAW_TEXT = "the text of the message"
    RAW_BYTES = "the bytes of the message"
    NOW = "a time"


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """An object of Python: a module, a function, a class."""

    value: Any
    #: Why nothing may depend on it: it may be another where the node runs.
    varies: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Bound:
    """A method of something."""

    of: Any
    name: str
    #: The class after which `super()` looks.
    after: type | None = None
    #: Whether `async_to_sync` has wrapped it.
    is_synced: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Clock:
    """A moment: the forms of `now()` in which it can be written."""

    isoformat: str | None = None
    text: str | None = None
    timestamp: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class QueryValues:
    """All values of one parameter of the query: of `parse_qs(…)["name"]`."""

    name: str
    default: Any = NOTHING


@dataclasses.dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only Python knows, and why."""

    reason: str
    node: Any = None


@dataclasses.dataclass(slots=True)
class ListV:
    """A list or tuple that the method has made."""

    items: list[Any]


@dataclasses.dataclass(slots=True)
class Spread:
    """All keys of an object, without some."""

    of: Expr
    without: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(slots=True)
class DictV:
    """A dictionary under construction, with its own identity: methods change it in place."""

    entries: list[Any] = dataclasses.field(default_factory=list)
    #: The parameter of a handler: `event` or `message`.
    is_event: bool = False

    def set(self, key: str, value: Any) -> None:
        for index, entry in enumerate(self.entries):
            if not isinstance(entry, Spread) and entry[0] == key:
                self.entries[index] = (key, value)
                return
        self.entries.append((key, value))

    def find(self, key: str) -> Any:
        """The entry that has this key: a value, a spread that may have it, or None."""
        for entry in reversed(self.entries):
            if isinstance(entry, Spread):
                if key not in entry.without:
                    return entry
            elif entry[0] == key:
                return entry[1]
        return None

    def remove(self, key: str) -> None:
        self.entries = [one for one in self.entries if isinstance(one, Spread) or one[0] != key]
        for entry in self.entries:
            if isinstance(entry, Spread) and key not in entry.without:
                entry.without.append(key)

    def copy(self) -> "DictV":
        entries = [Spread(one.of, list(one.without)) if isinstance(one, Spread) else one for one in self.entries]
        return DictV(entries)
