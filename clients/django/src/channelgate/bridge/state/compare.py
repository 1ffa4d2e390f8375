"""Whether a handler has changed what a state would keep.

What objects look up by themselves is not a change: relations that Django caches, cached properties, a session that was
only read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import surroundings
from .baseline import Baseline
from .capture import FRAMEWORK, Contexts
from .models import DEFERRED
from .objects import is_cached
from .scopes import HANDSHAKE, same_as_received
from .tree import ATOMS, Encoder, Unkept

#: What cannot be kept looks like this: that is for the state to refuse.
_UNKEPT = {"$unkept": 0}

Look = dict[str, Any]


def look(
    consumer: Any,
    *,
    scope: Mapping[str, Any],
    baseline: Baseline,
    models: str,
    received: Mapping[str, Any],
    contexts: Contexts,
) -> Look:
    """Everything that a handler could change, by the name that a project has for it."""

    def tree(value: Any) -> Any:
        if type(value) in ATOMS:
            return value
        try:
            return Encoder(consumer, baseline=baseline, pk=models == "pk", bare=True).encode(value)
        except (Unkept, RecursionError):
            return _UNKEPT

    kind = type(consumer)
    out = {
        f"self.{name}": tree(value)
        for name, value in vars(consumer).items()
        if name not in FRAMEWORK and not is_cached(kind, name)
    }
    for name, value in scope.items():
        if name not in HANDSHAKE or not same_as_received(received, name, value):
            out[f"self.scope[{name!r}]"] = tree(value)
    try:
        kept = surroundings.encode(Encoder(consumer, bare=True), *contexts)
    except Unkept:
        kept = {}
    out.update({_spoken(name): value for name, value in kept.items()})
    return out


def difference(before: Look, after: Look) -> list[str]:
    """The names of what has changed."""
    names = [name for name, value in after.items() if name not in before or not _same(before[name], value)]
    return names + [name for name in before if name not in after]


def _same(before: Any, after: Any) -> bool:
    if before is after or before == DEFERRED:
        # A deferred field was read when it was asked for.
        return True
    if type(before) is not type(after):
        return False
    if type(before) is dict:
        return before.keys() == after.keys() and all(_same(before[key], after[key]) for key in before)
    if type(before) is list:
        return len(before) == len(after) and all(map(_same, before, after))
    return bool(before == after)


def _spoken(name: str) -> str:
    if name in ("language", "zone"):
        return "the language" if name == "language" else "the time zone"
    return f"the context variable {name.replace(':', '.').replace('!', '.')}"
