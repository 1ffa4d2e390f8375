"""Whether something of the consumer is also held by a module or a class of the project: a copy would part them.

First the counts: an object to which Python counts no more references than the walk has met belongs to the consumer
alone. That settles nearly every call. For the others, the globals and class attributes of the project's modules are
searched. What such a name leads to is kept by the name; what is inside was put there as the process ran: refused.
"""

from __future__ import annotations

import collections
import functools
import gc
import sys
import types
import weakref
from collections.abc import Iterator
from typing import Any

from .layout import layout, of_project, top
from .names import look
from .tree import Encoder, follow, is_a

_CONTAINERS = frozenset({
    list, dict, set, collections.deque, bytearray, collections.OrderedDict, collections.defaultdict,
    collections.Counter, collections.ChainMap, types.SimpleNamespace,
})  # fmt: skip
# How much of a module's constants is looked at, and how deep.
CONSTANTS = 20_000
NESTED = 4
_CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType, types.FrameType,
         types.MethodType, property, staticmethod, classmethod)  # fmt: skip


def mutable(v: Any) -> bool:
    """Whether a change of the object would be seen by who else holds it."""
    kind = type(v)
    if kind in _CONTAINERS:
        return True
    if top(kind) in ("builtins", "django"):
        return False
    form = layout(kind)
    if form is None or getattr(getattr(kind, "__dataclass_params__", None), "frozen", False):
        return False
    return form.base not in (str, int, float, bytes, tuple, frozenset) and not issubclass(kind, BaseException)


def _counts(kept: list[Any]) -> list[int]:
    """How many references Python counts to each object; those of the walk are among them."""
    return list(map(sys.getrefcount, kept))


def _overhead() -> int:
    """What `_counts` counts beyond one attribute that holds the object, and the memo of an encoder."""
    holder: dict[str, Any] = {"only": [[]]}
    kept = [holder["only"]]
    return _counts(kept)[0] - 1


_OVERHEAD = _overhead()


def suspects(encoder: Encoder) -> dict[int, Any]:
    """Objects that something beside the consumer holds, by id."""
    out: dict[int, Any] = {}
    kept, mark = encoder.kept, encoder.mark
    if len(kept) == mark:
        return out
    again, found = encoder.again, encoder.baseline.found if encoder.baseline is not None else {}
    for number, count in enumerate(_counts(kept)):
        if number >= mark and count > _OVERHEAD + 1:
            v = kept[number]
            own = 1 if id(v) in found else 0
            if count - _OVERHEAD - own > 1 + again.get(number, 0) and mutable(v):
                out[id(v)] = v
    return out


class Roots:
    """The namespaces of the project's modules and classes, and what was in them before a consumer ran."""

    def __init__(self) -> None:
        self.modules: dict[str, tuple[int, int]] = {}
        # By module: (namespace, how it is called in a state, how an operator reads it, if not by the name in it)
        self.spaces: dict[str, list[tuple[Any, str, str]]] = {}
        # By id: the name and the steps that led to an object when its module was met first.
        self.constants: dict[int, tuple[str, list[Any]]] = {}

    def refresh(self) -> None:
        """Takes in what has been imported since."""
        for name, module in list(sys.modules.items()):
            namespace = getattr(module, "__dict__", None)
            if namespace is None or not of_project(name.partition(".")[0]):
                continue
            known = self.modules.get(name)
            if known == (id(namespace), len(namespace)):
                continue
            self.modules[name] = (id(namespace), len(namespace))
            self.spaces[name] = [(namespace, f"{name}:", "")]
            self._classes(name, namespace, f"{name}:", set())
            if known is None:
                self._learn(name)

    def _classes(self, module: str, namespace: Any, prefix: str, seen: set[int]) -> None:
        for name, v in list(namespace.items()):
            if is_a(v, type) and v.__module__ == module and id(v) not in seen:
                seen.add(id(v))
                self.spaces[module].append((v.__dict__, f"{prefix}{name}.", v.__qualname__))
                self._classes(module, v.__dict__, f"{prefix}{name}.", seen)

    def names(self, module: str) -> Iterator[tuple[Any, str, str]]:
        """What the names of a module and its classes lead to, the name, and how an operator reads it."""
        for namespace, prefix, shown in self.spaces[module]:
            for name, v in list(namespace.items()):
                if name[:2] != "__" and not is_a(v, (type, types.ModuleType)) and v is not None:
                    yield v, prefix + name, shown or f"{module}.{name}"

    def _learn(self, module: str) -> None:
        """Nested parts of a module's constants: a table of tables is a constant, too."""
        todo: list[tuple[Any, str, list[Any]]] = [(v, name, []) for v, name, _ in self.names(module)]
        left = CONSTANTS
        while todo and left > 0:
            v, name, steps = todo.pop()
            left -= 1
            if steps and mutable(v):
                self.constants.setdefault(id(v), (name, steps))
            if len(steps) >= NESTED:
                continue
            kind = type(v)
            if kind in (dict, collections.OrderedDict, collections.defaultdict):
                todo.extend((part, name, [*steps, [key]]) for key, part in v.items() if type(key) in (str, int))
            elif kind in (list, tuple):
                todo.extend((part, name, [*steps, [number]]) for number, part in enumerate(v))
            elif of_project(top(kind)) and not is_a(v, _CODE):
                todo.extend((part, name, [*steps, key]) for key, part in getattr(v, "__dict__", {}).items())

    def constant(self, v: Any) -> list[Any] | None:
        """Name and steps of a part of a constant, if they still lead to it."""
        known = self.constants.get(id(v))
        if known is None:
            return None
        try:
            return [known[0], *known[1]] if follow(look(known[0]), known[1]) is v else None
        except Exception:  # the namespaces are the project's, and may have changed in any way
            return None


ROOTS = Roots()


def search(wanted: dict[int, Any]) -> dict[int, Any]:
    """By id: the name and the steps that lead to the object, or the text of who holds it."""
    ROOTS.refresh()
    out: dict[int, Any] = {}
    for module in ROOTS.spaces:
        for v, name, _ in ROOTS.names(module):
            if id(v) in wanted:
                out[id(v)] = [name]
    left = {key: v for key, v in wanted.items() if key not in out}
    held: dict[int, str] = {}
    seen: set[int] = set(out)
    for module in ROOTS.spaces if left else ():
        for v, _, shown in ROOTS.names(module):
            _inside(v, shown, left, held, seen)
    for key, shown in held.items():
        out[key] = ROOTS.constant(wanted[key]) or shown
    return out


def _inside(root: Any, shown: str, wanted: dict[int, Any], out: dict[int, str], seen: set[int]) -> None:
    todo = parts(root, True)
    while todo:
        v = todo.pop()
        key = id(v)
        if key in seen:
            continue
        seen.add(key)
        if key in wanted:
            out.setdefault(key, shown)
        todo.extend(parts(v, False))


def parts(v: Any, root: bool) -> list[Any]:
    """What an object holds, as far as it is the project's: containers, instances, and what functions remember."""
    if is_a(v, (staticmethod, classmethod)):
        v = v.__func__
    if is_a(v, property):
        return [f for f in (v.fget, v.fset) if f is not None and root]
    if is_a(v, types.FunctionType):
        # Default arguments and closures. A function inside another object is only looked at with its root.
        cells = v.__closure__ or ()
        return [cell.cell_contents for cell in cells if _filled(cell)] + list(v.__defaults__ or ()) if root else []
    if is_a(v, weakref.ref):
        target = v()
        return [] if target is None else [target]
    if is_a(v, _CODE) or not gc.is_tracked(v) or hasattr(type(v), "channel_layer_alias"):
        # A consumer that a registry holds is what owns its attributes.
        return []
    kind = type(v)
    if is_a(v, (dict, list, tuple, set, frozenset, collections.deque)) or is_a(v, functools._lru_cache_wrapper):
        return gc.get_referents(v)
    if top(kind) in ("weakref", "_weakrefset", "collections", "types", "functools") or of_project(top(kind)):
        return gc.get_referents(v)
    return []


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
