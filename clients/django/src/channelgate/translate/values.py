"""What a name or an expression of a consumer is known to be: an expression of the node, a dictionary under
construction, an object of Python, or a part of the connection."""

import dataclasses
import enum
import json
import re
from typing import Any

from django.db.models import Choices

#: The names of the node that belong to one connection.
CONNECTION = frozenset({"user", "route", "query", "channel_name", "vars", "id"})
#: Levels of binding, tightest first: an operand of a lower level needs no parentheses.
ATOM, FILTER, PRODUCT, CONCAT, SUM, COMPARE, NOT, AND, OR, TERNARY = range(10)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"})


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

    #: "login": is somebody logged in. "dispatch": has the message's `key` this `value`. "raw": is the text this `value`.
    #: "json": is the text JSON.
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


@dataclasses.dataclass(frozen=True, slots=True)
class Bound:
    """A method of something."""

    of: Any
    name: str
    #: The class after which `super()` looks.
    after: type | None = None


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
                return None if key in entry.without and len(self.entries) == 1 else entry
            if entry[0] == key:
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


def quoted(text: str) -> str:
    """A literal text of the node's expressions."""
    escaped = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{escaped}'"


def constant(value: Any, node: Any = None) -> Expr:
    """The expression of a plain value of Python."""
    if isinstance(value, Choices):
        value = value.value
    if isinstance(value, enum.Enum):
        raise NotUnderstood(f"{value!r} is a member of an Enum", node)
    match value:
        case None:
            return Expr("none", "none", const=None)
        case bool():
            return Expr(str(value).lower(), "bool", const=value)
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise NotUnderstood("the text has half a character", node) from None
            return Expr(quoted(str(value)), "str", const=str(value))
        case int():
            return Expr(repr(value), "int", const=value, rank=ATOM if value >= 0 else PRODUCT)
        case float() if value == value and abs(value) != float("inf"):
            return Expr(repr(value), "number", const=value, rank=ATOM if value >= 0 else PRODUCT)
    raise NotUnderstood(f"a constant of the type {type(value).__name__}", node)


def from_python(value: Any, node: Any = None) -> Any:
    """A value of Python as constants, as far as it is made of them."""
    match value:
        case list() | tuple():
            return ListV([from_python(one, node) for one in value])
        case dict():
            entries = []
            for key, one in value.items():
                if not isinstance(key, str):
                    raise NotUnderstood("a key that is not text", node)
                entries.append((str(key), from_python(one, node)))
            return DictV(entries)
        case set() | frozenset():
            return ListV([from_python(one, node) for one in sorted(value, key=repr)])
    return constant(value, node)


def attribute(base: Expr, key: str, kind: str = "any") -> Expr:
    """`base.key`, for any text as key."""
    inside = base.within(ATOM)
    plain = _IDENTIFIER.match(key) and key not in _WORDS
    text = f"{inside}.{key}" if plain else f"{inside}[{quoted(key)}]"
    return Expr(text, kind, sides=base.sides)


def json_keys(entries: list[Any]) -> str:
    return "{" + ", ".join(f"{quoted(key)}: {to_expr(one).text}" for key, one in entries) + "}"


def to_expr(value: Any, node: Any = None) -> Expr:
    """A value as one expression."""
    match value:
        case Expr():
            return value
        case Known():
            return to_expr(from_python(value.value, node))
        case ListV():
            items = [to_expr(one, node) for one in value.items]
            consts = [one.const for one in items]
            known = NOTHING if NOTHING in consts else consts
            return joined(items, "[" + ", ".join(one.text for one in items) + "]", "list", const=known)
        case DictV():
            return _of_dict(value, node)
        case Unknown():
            raise NotUnderstood(value.reason, value.node or node)
        case Thing():
            raise NotUnderstood(f"{value.value} as a whole is not known to the node", node)
    raise NotUnderstood("a value that only Python has", node)


def _of_dict(value: DictV, node: Any) -> Expr:
    parts: list[tuple[bool, Expr | list[Any]]] = []
    used: list[Expr] = []
    for entry in value.entries:
        if isinstance(entry, Spread):
            one = entry.of
            if entry.without:
                names = ", ".join(quoted(name) for name in entry.without)
                one = Expr(f"{one.within(FILTER)} | without({names})", "dict", FILTER, one.sides)
            parts.append((True, one))
            used.append(one)
        else:
            used.append(to_expr(entry[1], node))
            if parts and not parts[-1][0]:
                parts[-1][1].append(entry)  # type: ignore[union-attr]
            else:
                parts.append((False, [entry]))
    if not parts:
        return Expr("{}", "dict")
    if len(parts) == 1:
        is_spread, only = parts[0]
        if isinstance(only, Expr):
            return only
        return joined(used, json_keys(only), "dict")
    written = [one.text if isinstance(one, Expr) else json_keys(one) for _, one in parts]
    last = parts[-1][1]
    if len(parts) == 2 and isinstance(last, list) and all(_is_name(key) for key, _ in last):
        written[-1] = ", ".join(f"{key}={to_expr(one, node).text}" for key, one in last)
    return joined(used, "dict(" + ", ".join(written) + ")", "dict")


def _is_name(key: str) -> bool:
    return bool(_IDENTIFIER.match(key)) and key not in _WORDS


def joined(of: list[Expr], text: str, kind: str = "any", rank: int = ATOM, **more: Any) -> Expr:
    """An expression made of others."""
    sides = frozenset().union(*(one.sides for one in of)) if of else frozenset()
    plain = more.pop("is_plain", all(one.is_plain for one in of))
    divisible = more.pop("divisible", _is_one_sided(sides))
    return Expr(text, kind, rank, sides, is_plain=plain, divisible=divisible, **more)


def _is_one_sided(sides: frozenset[str]) -> bool:
    return not (sides & CONNECTION and sides & {"event", "group"})


def negated(of: Expr) -> Expr:
    """`not x`, in the shortest form."""
    if of.is_known:
        return constant(not of.const)
    text, rank = of.negative or (f"not {of.within(NOT)}", NOT)
    source, positive = of.canon or (of.text, True)
    return dataclasses.replace(
        of,
        text=text,
        rank=rank,
        kind="bool",
        negative=(of.text, of.rank),
        canon=(source, not positive),
        is_negated=not of.is_negated if of.special else False,
        parts=(),
    )


def text_of(parts: list[Expr]) -> Expr:
    """A text made of texts and values, as an f-string makes it."""
    flat: list[Expr] = []
    for part in parts:
        for one in part.parts or (part,):
            if one.is_known:
                one = constant(str(one.const) if not isinstance(one.const, str) else one.const)
                if flat and flat[-1].is_known:
                    flat[-1] = constant(flat[-1].const + one.const)
                    continue
                if one.const == "":
                    continue
            flat.append(one)
    if not flat:
        return constant("")
    if len(flat) == 1:
        only = flat[0]
        if only.is_known or only.kind in ("str", "digits", "slug", "word"):
            return only
        text = f"{only.within(FILTER)} | string"
        return joined([only], text, "str", FILTER, parts=(only,), is_plain=True)
    text = " ~ ".join(one.within(ATOM) for one in flat)
    return joined(flat, text, "str", CONCAT, parts=tuple(flat), is_plain=True)


def combined_sides(of: Expr) -> frozenset[str]:
    """The names that an expression uses, its parts included."""
    return of.sides.union(*(one.sides for one in of.parts)) if of.parts else of.sides
