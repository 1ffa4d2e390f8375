"""Whether an object that cannot be taken apart has changed since `__init__` made it.

A lock says whether it is held, a queue what is in it. A client of a known package owns what it changes inside itself.
Anything else is looked into as far as Python sees: other data than before is a change.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import queue
import random
import threading
import types
from collections.abc import Callable
from typing import Any

from .layout import CLIENTS, RESOURCES, top
from .tree import ATOMS, VALUES, is_a

DEPTH = 6
PARTS = 2000

_PROBES: dict[type, Callable[[Any], Any]] = {
    asyncio.Lock: lambda v: v.locked(),
    asyncio.Event: lambda v: v.is_set(),
    asyncio.Condition: lambda v: v.locked(),
    asyncio.Semaphore: lambda v: v._value,
    asyncio.BoundedSemaphore: lambda v: v._value,
    asyncio.Queue: lambda v: [id(part) for part in v._queue],
    asyncio.PriorityQueue: lambda v: [id(part) for part in v._queue],
    asyncio.LifoQueue: lambda v: [id(part) for part in v._queue],
    threading.Event: lambda v: v.is_set(),
    threading.Semaphore: lambda v: v._value,
    threading.BoundedSemaphore: lambda v: v._value,
    threading.Condition: repr,
    type(threading.Lock()): lambda v: v.locked(),
    type(threading.RLock()): lambda v: repr(v).split(" at ")[0],
    threading.local: lambda v: sorted(v.__dict__.items(), key=repr),
    queue.Queue: lambda v: [id(part) for part in v.queue],
    queue.LifoQueue: lambda v: [id(part) for part in v.queue],
    queue.PriorityQueue: lambda v: [id(part) for part in v.queue],
    io.BytesIO: lambda v: None if v.closed else (hashlib.sha1(v.getbuffer()).digest(), v.tell()),
    io.StringIO: lambda v: None if v.closed else (v.getvalue(), v.tell()),
    random.Random: lambda v: v.getstate(),
    random.SystemRandom: lambda v: None,
    itertools.count: repr,
    types.GeneratorType: lambda v: v.gi_frame and v.gi_frame.f_lasti,
    types.AsyncGeneratorType: lambda v: v.ag_frame and v.ag_frame.f_lasti,
    type(hashlib.md5()): lambda v: v.hexdigest(),
}
# Objects of these types move on while they are used, and do not show it.
_BLIND = frozenset({"builtins", "itertools", "zlib", "bz2", "lzma", "csv", "_csv", "codecs"})


def blind(v: Any) -> bool:
    kind = type(v)
    return kind not in _PROBES and top(kind) in _BLIND and not callable(v)


def resource(kind: type) -> bool:
    """Whether an object of this class is a resource, whose inner life is its own."""
    return any(top(c) in CLIENTS for c in kind.__mro__) or top(kind) in RESOURCES


def fingerprint(v: Any) -> Any:
    """What compares equal as long as nobody has changed the object."""
    budget = [PARTS]
    return _look(v, 0, budget, set())


def _look(v: Any, depth: int, budget: list[int], seen: set[int]) -> Any:
    kind = type(v)
    if kind in ATOMS or kind is int or kind is bytes:
        return v
    if kind is types.FunctionType and v.__closure__:
        return (id(v), [_look(_content(cell), depth + 1, budget, seen) for cell in v.__closure__])
    if kind in VALUES:
        return repr(v)
    if any(c.__module__ == "channels.consumer" for c in kind.__mro__):
        return id(v)
    probe = _PROBES.get(kind)
    if probe is not None:
        return (id(v), probe(v))
    if id(v) in seen or depth >= DEPTH or budget[0] <= 0 or resource(kind) or is_a(v, type):
        return id(v)
    seen.add(id(v))
    budget[0] -= 1
    if is_a(v, dict):
        pairs = [(_look(k, depth + 1, budget, seen), _look(x, depth + 1, budget, seen)) for k, x in dict.items(v)]
        return (id(kind), pairs)
    if is_a(v, (list, tuple, set, frozenset)):
        return (id(kind), [_look(x, depth + 1, budget, seen) for x in v])
    if is_a(v, types.MethodType):
        return (id(v.__func__), id(v.__self__))
    attributes = getattr(v, "__dict__", None)
    if type(attributes) is dict and not is_a(v, (types.ModuleType, types.FunctionType)):
        # A cached_property may fill the attributes at any time: only what was there before is compared.
        return (id(v), {name: _look(x, depth + 1, budget, seen) for name, x in attributes.items()})
    return id(v)


def same(before: Any, now: Any) -> bool:
    """Whether a fingerprint still holds. What is new in an object is a cache that it filled."""
    if type(before) is tuple and type(now) is tuple and len(before) == len(now) == 2 and type(before[1]) is dict:
        return (
            before[0] == now[0]
            and type(now[1]) is dict
            and all(name in now[1] and same(part, now[1][name]) for name, part in before[1].items())
        )
    if type(before) is type(now) and type(before) in (list, tuple):
        return len(before) == len(now) and all(map(same, before, now))
    return bool(before == now)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None
