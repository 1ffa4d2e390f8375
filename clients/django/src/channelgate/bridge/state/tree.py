"""The tree that a state is: Python values to JSON values and back, with every object met once.

`Encoder.encode` looks the exact type of a value up in two tables. `VALUES` holds types whose identity means nothing
(a Decimal); `OBJECTS` holds types that a consumer can change or compare by identity (a list, a model instance). Objects
are numbered in the order in which the walk meets them, and the decoder counts in the same order: a second meeting is
`{"$r": number}`, and no label is written. An object of a single key that starts with `$` is a tag; `DECODERS` reads it.

A type that neither table has is looked at once, by the finders of `FINDERS`, and remembered. Nothing here is pickled,
and the decoder calls no function that the state names, except the constructors that the tags stand for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Levels of containers and objects. A level takes three frames of Python at most, of the 1000 that a thread has.
DEPTH = 100

# Types that JSON has and that hold nothing. An int is looked at: JSON readers limit its digits.
ATOMS: frozenset[type] = frozenset({str, bool, float, type(None)})
LARGE = 1 << 256

Encode = Callable[["Encoder", Any], Any]
Decode = Callable[["Decoder", Any], Any]

VALUES: dict[type, Encode] = {}
OBJECTS: dict[type, Encode] = {}
DECODERS: dict[str, Decode] = {}
# (type) -> (has identity, encoder), or None: the next finder is asked.
FINDERS: list[Callable[[type], tuple[bool, Encode] | None]] = []


class Unkept(Exception):
    """A value cannot be kept. `path` grows on the way up; `what` continues the sentence that begins with it."""

    def __init__(self, what: str, kind: str = "state") -> None:
        super().__init__(what)
        self.what = what
        self.kind = kind
        self.path: list[str] = []

    def sentence(self) -> str:
        return f"{''.join(reversed(self.path))} {self.what}"


class Unreadable(Exception):
    """The code that runs now cannot read the state: a class, a field or a member has gone since."""


def article(kind: type) -> str:
    name = f"{kind.__module__}.{kind.__qualname__}"
    return ("an " if name.lstrip("_")[0] in "aeiouAEIOU" else "a ") + name


def cannot(kind: type) -> Unkept:
    return Unkept(f"is {article(kind)}, which cannot be kept from one call to the next")


def is_a(v: Any, kinds: Any) -> bool:
    """isinstance() that asks the object nothing: a lazy object answers with the class of what it would find."""
    return issubclass(type(v), kinds)


def follow(found: Any, path: list[Any]) -> Any:
    """What steps from an object lead to: a name is an attribute, a list holds a key."""
    for step in path:
        found = found[step[0]] if type(step) is list else getattr(found, step)
    return found


def place(path: list[Any]) -> str:
    return "self" + "".join(f"[{step[0]!r}]" if type(step) is list else f".{step}" for step in path)


class Encoder:
    """One capture. `kept` holds the objects in their order, `again` how often each was met after the first time."""

    __slots__ = (
        "again",
        "alive",
        "bare",
        "baseline",
        "consumer",
        "depth",
        "kept",
        "large",
        "mark",
        "memo",
        "models",
        "open",
        "pk",
        "shared",
    )

    def __init__(
        self, consumer: Any = None, *, baseline: Any = None, pk: bool = False, shared: Any = None, bare: bool = False
    ) -> None:
        self.consumer = consumer
        # By id: objects that modules or classes of the process hold: their name and steps, or the holder's name.
        self.shared: dict[int, Any] | None = shared
        self.baseline = baseline
        self.pk = pk
        # Without what objects look up by themselves: it is not kept, but compared.
        self.bare = bare
        # By id: large data of __init__, which stays at home as long as nobody changes it.
        self.large: Any = baseline.large if baseline is not None and baseline.large else None
        self.memo: dict[int, int] = {}
        self.kept: list[Any] = []
        self.again: dict[int, int] = {}
        # The number from which on it matters who else holds an object.
        self.mark = 0
        # Objects that are made for the walk: they live until its end, or their ids would be given away again.
        self.alive: list[Any] = []
        # Objects under way that the decoder can only make when it has all their parts.
        self.open: set[int] = set()
        self.models: dict[str, list[Any]] = {}
        self.depth = 0

    def encode(self, value: Any) -> Any:
        kind = type(value)
        if kind in ATOMS:
            return value
        plain = VALUES.get(kind)
        if plain is not None:
            return plain(self, value)
        code = OBJECTS.get(kind)
        if code is None:
            identity, code = find(kind)
            if not identity:
                return code(self, value)
        key = id(value)
        number = self.memo.get(key)
        if number is not None:
            if key in self.open:
                raise Unkept("contains itself through a value that cannot be changed, which cannot be kept")
            self.again[number] = self.again.get(number, 0) + 1
            return {"$r": number}
        self.memo[key] = len(self.kept)
        self.kept.append(value)
        if self.large is not None and key in self.large:
            unchanged = self.baseline.untouched(value, self.consumer)
            if unchanged is not None:
                return unchanged
        if self.shared is not None and key in self.shared:
            holder = self.shared[key]
            if type(holder) is list:
                return {"$g": holder}
            raise Unkept(
                f"is shared with {holder} of this process: kept between calls it would become a copy", "shared"
            )
        if self.depth >= DEPTH:
            raise Unkept(f"is nested more than {DEPTH} levels deep, which cannot be kept from one call to the next")
        self.depth += 1
        try:
            return code(self, value)
        finally:
            self.depth -= 1

    def back_to(self, number: int, alive: int) -> None:
        """Forgets the objects from a number on: their owner is written in another way."""
        for gone in self.kept[number:]:
            del self.memo[id(gone)]
            self.open.discard(id(gone))
        for late in range(number, len(self.kept)):
            self.again.pop(late, None)
        del self.kept[number:]
        del self.alive[alive:]

    def items(self, values: Any) -> list[Any]:
        """The encoded members of an iterable, in its order."""
        out: list[Any] = []
        number = 0
        try:
            for value in values:
                out.append(value if type(value) in ATOMS else self.encode(value))
                number += 1
        except Unkept as unkept:
            unkept.path.append(f"[{number}]")
            raise
        return out

    def members(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """The encoded attributes of an object."""
        out: dict[str, Any] = {}
        name = ""
        try:
            for name, value in attributes.items():
                out[name] = value if type(value) in ATOMS else self.encode(value)
        except Unkept as unkept:
            unkept.path.append(f".{name}")
            raise
        return out

    def whole(self, value: Any, parts: Any) -> list[Any]:
        """The members of an object that the decoder can only make when it has all of them."""
        key = id(value)
        self.open.add(key)
        out = self.items(parts)
        self.open.discard(key)
        return out


class Decoder:
    """One restore. It takes the tree over: lists and plain dictionaries of the tree become those of the consumer."""

    __slots__ = ("consumer", "memo", "reread")

    def __init__(self, consumer: Any = None, *, reread: Any = ()) -> None:
        self.consumer = consumer
        self.memo: list[Any] = []
        # Labels of models whose fields are others now: read by primary key.
        self.reread = reread

    def hole(self, path: list[Any]) -> Any:
        """What `__init__` of the consumer made at a place: a name is an attribute, a list holds a key."""
        try:
            return follow(self.consumer, path)
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            raise Unreadable(f"__init__ does not make {place(path)} any more") from error

    def decode(self, tree: Any) -> Any:
        kind = type(tree)
        if kind is dict:
            if len(tree) == 1:
                for tag in tree:
                    if tag[:1] == "$":
                        code = DECODERS.get(tag)
                        if code is None:
                            raise Unreadable(f"the state has a value of the unknown kind {tag}")
                        return code(self, tree[tag])
            self.memo.append(tree)
            for name, part in tree.items():
                kind = type(part)
                if kind is dict or kind is list:
                    tree[name] = self.decode(part)
            return tree
        if kind is list:
            self.memo.append(tree)
            return self.fill(tree)
        return tree

    def fill(self, parts: list[Any]) -> list[Any]:
        """Decodes the members of a list of the tree in place, without a number for the list itself."""
        for number, part in enumerate(parts):
            kind = type(part)
            if kind is dict or kind is list:
                parts[number] = self.decode(part)
        return parts

    def members(self, attributes: dict[str, Any]) -> dict[str, Any]:
        for name, part in attributes.items():
            kind = type(part)
            if kind is dict or kind is list:
                attributes[name] = self.decode(part)
        return attributes

    def reserve(self) -> int:
        """The number of an object that is made after its parts."""
        self.memo.append(None)
        return len(self.memo) - 1


def value(kind: type) -> Callable[[Encode], Encode]:
    def register(code: Encode) -> Encode:
        VALUES[kind] = code
        return code

    return register


def entity(kind: type) -> Callable[[Encode], Encode]:
    def register(code: Encode) -> Encode:
        OBJECTS[kind] = code
        return code

    return register


def reads(tag: str) -> Callable[[Decode], Decode]:
    def register(code: Decode) -> Decode:
        DECODERS[tag] = code
        return code

    return register


def find(kind: type) -> tuple[bool, Encode]:
    for finder in FINDERS:
        found = finder(kind)
        if found is not None:
            # A class that a function makes anew each time would fill the table.
            if "<locals>" not in kind.__qualname__:
                (OBJECTS if found[0] else VALUES)[kind] = found[1]
            return found
    raise cannot(kind)


@value(int)
def _int(_: Encoder, v: int) -> Any:
    return v if -LARGE < v < LARGE else {"$i": hex(v)}


@reads("$i")
def _read_int(_: Decoder, x: str) -> int:
    return int(x, 16)


@reads("$r")
def _read_again(decoder: Decoder, x: int) -> Any:
    return decoder.memo[x]


@entity(list)
def _list(encoder: Encoder, v: list[Any]) -> Any:
    return encoder.items(v)


@entity(dict)
def _dict(encoder: Encoder, v: dict[Any, Any]) -> Any:
    out: dict[str, Any] = {}
    key: Any = None
    try:
        for key, part in v.items():
            if type(key) is not str:
                break
            out[key] = part if type(part) in ATOMS else encoder.encode(part)
        else:
            if len(out) == 1 and key[:1] == "$":
                return {"$d": [key, out[key]]}
            return out
        # The parts already have their numbers: what is left follows them, in the same order.
        pairs: list[Any] = [x for pair in out.items() for x in pair]
        rest = iter(v.items())
        for _ in range(len(out)):
            next(rest)
        for key, part in rest:
            pairs.append(encoder.encode(key))
            pairs.append(encoder.encode(part))
        return {"$d": pairs}
    except Unkept as unkept:
        unkept.path.append(f"[{key!r}]")
        raise


@reads("$d")
def _read_dict(decoder: Decoder, x: list[Any]) -> dict[Any, Any]:
    out: dict[Any, Any] = {}
    decoder.memo.append(out)
    decoder.fill(x)
    out.update(zip(x[::2], x[1::2], strict=True))
    return out
