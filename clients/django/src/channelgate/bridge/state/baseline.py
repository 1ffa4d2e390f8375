"""What `__init__` of the consumer leaves: objects that the next call's `__init__` makes anew, and their places.

Data is kept between calls, changed or not: a random token of `__init__` stays the one it was. Only what cannot be taken
apart (a client, a queue) is left to the next `__init__`, at its place, and only as long as nobody changed it.
"""

from __future__ import annotations

import collections
import hashlib
import json
import types
import weakref
from typing import Any

from .layout import adopt, layout
from .opaque import blind, fingerprint, resource, same
from .sharing import ROOTS
from .tree import ATOMS, OBJECTS, VALUES, Decoder, Encoder, Unkept, Unreadable, article, is_a, place, reads

_INSIDE = (list, tuple, collections.deque)
_MAPS = (dict, collections.OrderedDict, collections.defaultdict)
DEPTH = 6
_MET: weakref.WeakSet[type] = weakref.WeakSet()
# Characters, or parts, above which data of __init__ is compared by a digest and left to the next __init__.
LARGE = 2048


def _heavy(value: Any) -> bool:
    """Whether a container has more than LARGE characters and parts, looking no further than that."""
    left, todo, steps = LARGE, [value], 0
    while todo and left > 0:
        part = todo.pop()
        steps += 1
        left -= 8
        kind = type(part)
        if kind is str or kind is bytes:
            left -= len(part)
        elif kind in _MAPS:
            if len(part) * 8 > left:
                return True
            todo.extend(part)
            todo.extend(part.values())
        elif kind in _INSIDE or kind is set:
            if len(part) * 8 > left:
                return True
            todo.extend(part)
    return left <= 0


def digest_of(value: Any, consumer: Any) -> str | None:
    """A digest of data, or None if it is not data through and through."""
    try:
        tree = Encoder(consumer).encode(value)
    except Unkept:
        return None
    return hashlib.blake2b(json.dumps(tree).encode(), digest_size=12).hexdigest()


class Baseline:
    """Taken right after the class is made, before Channels or a handler sets anything."""

    __slots__ = ("found", "large", "names")

    def __init__(self, consumer: Any) -> None:
        if type(consumer) not in _MET:
            _MET.add(type(consumer))
            adopt(type(consumer))
            # Before a handler of this class has put anything into the globals.
            ROOTS.refresh()
        attributes = vars(consumer)
        self.names = tuple(attributes)
        # By id: the object (so that the id stays its own), its place, and how it looked.
        self.found: dict[int, tuple[Any, list[Any], Any]] = {}
        # By id: large data, its place, and its digest.
        self.large: dict[int, tuple[Any, list[Any], str]] = {}
        for name, value in attributes.items():
            kind = type(value)
            if kind not in ATOMS and value is not consumer:
                self._look(value, [name], consumer)
            elif kind is str and len(value) > LARGE:
                self._is_large(value, [name], consumer)

    def _look(self, value: Any, path: list[Any], consumer: Any) -> None:
        kind = type(value)
        if kind is types.FunctionType:
            # A lambda, or a function inside __init__: its name does not lead to it.
            self.found[id(value)] = (value, path, None)
        if kind in ATOMS or kind in VALUES or value is consumer or len(path) > DEPTH:
            return
        if (
            (kind in _MAPS or kind in _INSIDE or kind is set)
            and _heavy(value)
            and self._is_large(value, path, consumer)
        ):
            return
        if kind is collections.defaultdict:
            self._look(value.default_factory, [*path, "default_factory"], consumer)
        if kind in _MAPS:
            for key, part in value.items():
                if type(key) in (str, int):
                    self._look(part, [*path, [key]], consumer)
            return
        if kind in _INSIDE:
            for number, part in enumerate(value):
                self._look(part, [*path, [number]], consumer)
            return
        if id(value) in self.found:
            return
        form = layout(kind)
        if form is not None and form.ours:
            # It is kept in parts; what cannot be kept in it is found here.
            self.found[id(value)] = (value, path, _PARTS)
            for name, part in getattr(value, "__dict__", {}).items():
                self._look(part, [*path, name], consumer)
            for name in form.slots:
                self._look(getattr(value, name, None), [*path, name], consumer)
            return
        if is_a(value, type) or blind(value):
            return
        self.found[id(value)] = (value, path, None if resource(kind) and kind not in OBJECTS else fingerprint(value))

    def _is_large(self, value: Any, path: list[Any], consumer: Any) -> bool:
        mark = digest_of(value, consumer)
        if mark is not None:
            self.large[id(value)] = (value, path, mark)
        return mark is not None

    def untouched(self, value: Any, consumer: Any) -> dict[str, Any] | None:
        """The reference to large data that is as `__init__` made it; its digest goes along."""
        _, path, mark = self.large[id(value)]
        return {"$hd": [mark, *path]} if digest_of(value, consumer) == mark else None

    def hole(self, value: Any) -> dict[str, Any] | None:
        """The reference to an object that `__init__` made and nobody changed."""
        known = self.found.get(id(value))
        if known is None or known[2] is _PARTS:
            return None
        if known[2] is not None and not same(known[2], fingerprint(value)):
            raise Unkept(f"is {article(type(value))} that __init__ made and a handler has changed since, "
                         "which cannot be kept from one call to the next")  # fmt: skip
        return {"$h": list(known[1])}


_PARTS = object()


@reads("$hd")
def _untouched(decoder: Decoder, x: list[Any]) -> Any:
    out = decoder.hole(x[1:])
    if type(out) is not str:
        decoder.memo.append(out)
    if digest_of(out, decoder.consumer) != x[0]:
        raise Unreadable(f"__init__ makes another {place(x[1:])} now")
    return out
