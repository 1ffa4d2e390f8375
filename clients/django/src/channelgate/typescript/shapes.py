"""What an expression gives, as a shape: the types of TypeScript that JSON can have."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from channelgate.typescript.tree import (
    Called,
    Choice,
    Constant,
    Filtered,
    Key,
    Listed,
    Name,
    Node,
    Operation,
    Table,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Plain:
    """`string`, `number`, `boolean`, `null`, `undefined` or `unknown`."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """One text, number or truth value."""

    value: str | int | float | bool

    def __eq__(self, other: object) -> bool:
        # In Python 1 is True.
        return isinstance(other, Literal) and (type(other.value), other.value) == (type(self.value), self.value)

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """An object; `is_open` if it has keys that are not known."""

    fields: tuple[tuple[str, "Shape"], ...]
    is_open: bool = False

    def field(self, name: str) -> "Shape | None":
        """The shape of a key."""
        return dict(self.fields).get(name)


@dataclasses.dataclass(frozen=True, slots=True)
class Array:
    """A list."""

    item: "Shape"


@dataclasses.dataclass(frozen=True, slots=True)
class Tuple:
    """A list of a fixed length."""

    items: tuple["Shape", ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Union:
    """One of several."""

    of: tuple["Shape", ...]


Shape = Plain | Literal | Record | Array | Tuple | Union

STRING, NUMBER, BOOLEAN, NULL, UNKNOWN = (Plain(name) for name in ("string", "number", "boolean", "null", "unknown"))
#: What a handler gets of an event without data.
UNDEFINED = Plain("undefined")
OPEN = Record((), is_open=True)

#: Filters by what they give, whatever they get.
_OF_TEXT = (
    *("string", "upper", "lower", "title", "capitalize", "trim", "replace", "join", "tojson", "safe", "escape", "e"),
    *("urlencode", "slug", "hex", "base64", "base64url", "md5", "sha1", "sha256", "sha512"),
)
_OF_NUMBERS = ("length", "count", "int", "float", "abs", "round", "sum")
_OF_LISTS = ("list", "sort", "map", "select", "reject", "selectattr", "rejectattr", "items", "dictsort", "zip", "chain")
_FILTERS: dict[str, Shape] = {
    **dict.fromkeys(_OF_TEXT, STRING),
    **dict.fromkeys(_OF_NUMBERS, NUMBER),
    **dict.fromkeys(("same_id", "intersects", "bool"), BOOLEAN),
    **dict.fromkeys(("split", "lines", "prefix"), Array(STRING)),
    **dict.fromkeys(_OF_LISTS, Array(UNKNOWN)),
    "without": OPEN,
}
#: Methods likewise.
_METHODS: dict[str, Shape] = {
    **dict.fromkeys(("upper", "lower", "strip", "replace", "isoformat"), STRING),
    **dict.fromkeys(("startswith", "endswith"), BOOLEAN),
    **dict.fromkeys(("split", "keys"), Array(STRING)),
    **dict.fromkeys(("values", "items"), Array(UNKNOWN)),
}
#: The forms of `now` that give a number.
_NUMBERS = {"epoch", "epoch_ms", "timestamp"}
#: Names that are known everywhere in `on_event`.
_NAMES: dict[str, Shape] = {
    "group": STRING,
    "id": STRING,
    "channel_name": STRING,
    "host": Union((STRING, NULL)),
    "event": OPEN,
    "query": OPEN,
}


def shape(node: Node, names: Mapping[str, Shape] | None = None) -> Shape:
    """The shape of an expression; `names` are those of the place where it stands."""
    return _Inference({**_NAMES, **(names or {})}).of(node)


class _Inference:
    def __init__(self, names: Mapping[str, Shape]):
        self.names = names

    def of(self, node: Node) -> Shape:
        match node:
            case Constant(value=None):
                return NULL
            case Constant():
                return Literal(node.value)
            case Name():
                return self.names.get(node.name, UNKNOWN)
            case Key():
                return self.key(node)
            case Table():
                known = {name: self.of(value) for name, value in node.items if name is not None}
                return Record(tuple(known.items()), any(name is None for name, _ in node.items))
            case Listed():
                return Array(union(self.of(item) for item in node.items)) if node.items else Array(UNKNOWN)
            case Called():
                return self.call(node)
            case Filtered():
                return self.filter(node)
            case Operation():
                return self.operation(node)
            case Choice():
                # Without `else`, what is sent is an error where the condition does not hold.
                ways = [node.then, *([] if node.otherwise is None else [node.otherwise])]
                return union(self.of(way) for way in ways)

    def key(self, node: Key) -> Shape:
        of = self.of(node.of)
        if isinstance(node.of, Name) and node.of.name == "query":
            return STRING
        if isinstance(of, Record) and isinstance(node.key, str):
            return of.field(node.key) or UNKNOWN
        if isinstance(of, Array):
            return of.item
        return UNKNOWN

    def call(self, node: Called) -> Shape:
        match node.function:
            case Name(name="now"):
                form = node.arguments[0] if node.arguments else Constant("iso")
                if not isinstance(form, Constant):
                    return Union((STRING, NUMBER))
                return NUMBER if form.value in _NUMBERS else STRING
            case Name(name="dict"):
                return self.merged(node)
            case Name(name="min" | "max"):
                return widened(union(self.of(one) for one in node.arguments))
            case Name(name="range"):
                return Array(NUMBER)
            case Key(key=str(name)):
                return _METHODS.get(name, UNKNOWN)
        return UNKNOWN

    def merged(self, node: Called) -> Shape:
        fields: dict[str, Shape] = {}
        is_open = False
        for argument in node.arguments:
            found = self.of(argument)
            if not isinstance(found, Record):
                # Its keys are not known, and may replace those before it.
                found = OPEN
            if found.is_open:
                fields = dict.fromkeys(fields, UNKNOWN)
            fields |= dict(found.fields)
            is_open = is_open or found.is_open
        fields |= {name: self.of(value) for name, value in node.named}
        return Record(tuple(fields.items()), is_open)

    def filter(self, node: Filtered) -> Shape:
        of = self.of(node.of)
        match node.name:
            case "default" | "d":
                return union([of, *(self.of(one) for one in node.arguments[:1])])
            case "first" | "last" | "random":
                return of.item if isinstance(of, Array) else UNKNOWN
            case "min" | "max":
                return of.item if isinstance(of, Array) else UNKNOWN
            case "reverse":
                return of if isinstance(of, Array) else UNKNOWN
        return _FILTERS.get(node.name, UNKNOWN)

    def operation(self, node: Operation) -> Shape:
        match node.operator:
            case "or" | "and":
                return union(self.of(one) for one in node.operands)
            case "~":
                return STRING
            case "-" | "*" | "/" | "//" | "%" | "**" | "-." | "+.":
                return NUMBER
            case "+":
                sides = {widened(self.of(one)) for one in node.operands}
                return sides.pop() if len(sides) == 1 else UNKNOWN
        return BOOLEAN


def widened(of: Shape) -> Shape:
    """A shape without single values."""
    match of:
        case Literal(value=bool()):
            return BOOLEAN
        case Literal(value=str()):
            return STRING
        case Literal():
            return NUMBER
        case Union():
            return union(widened(one) for one in of.of)
    return of


def union(of: Iterable[Shape]) -> Shape:
    """One of these; unknown if one of them is."""
    found: dict[Shape, Any] = {}
    for one in of:
        found |= dict.fromkeys(one.of if isinstance(one, Union) else (one,))
    if UNKNOWN in found:
        return UNKNOWN
    # `"high" | string` is `string`.
    kept = [one for one in found if not (isinstance(one, Literal) and widened(one) in found)]
    return kept[0] if len(kept) == 1 else Union(tuple(kept))
