"""What the middleware and the routing of Channels gave the scope: the session, the user, the arguments of the route.

Most handlers leave it as it is. Its text has a line of its own in a state; the next state takes the text over while
every object is the same and has the same parts, which is asked for by identity and not by `==`: `1` is not `True`.
"""

from __future__ import annotations

import datetime
import decimal
import types
import uuid
from collections.abc import Callable, Mapping
from operator import is_
from typing import Any

from django.db.models.base import ModelState

from . import models, sessions, tree
from .tree import ATOMS, OBJECTS, Encode, Encoder
from .values import _encode_tuple

# What Channels' own middleware and routing put there. They keep copies of the scope with the same objects in them, so
# that who else holds these says nothing about the project.
CHANNELS = ("cookies", "session", "user", "path_remaining", "url_route")
_ABSENT = object()

#: Dictionaries and lists.
Parts = list[Any]


def _attributes(v: Any) -> Parts:
    return [v.__dict__]


def _model(v: Any) -> Parts | None:
    attributes, state = v.__dict__, v._state.__dict__
    if "_prefetched_objects_cache" in attributes:
        return None
    cached = state.get("fields_cache")
    return [attributes, state, cached] if cached else [attributes, state]


#: By how an object is written: what of it can be changed. One that is written in another way is never taken over.
_PARTS: dict[Encode | None, Callable[[Any], Parts | None]] = {
    tree._dict: lambda v: [v],
    tree._list: lambda v: [v],
    # It cannot be changed, and its members have parts of their own.
    _encode_tuple: lambda _: [],
    sessions._encode_session: _attributes,
    sessions._encode_lazy: _attributes,
    sessions._encode_anonymous: _attributes,
    models._encode: _model,
}


#: Types whose values cannot be changed, or have their parts looked at. Others join as they are met.
_PLAIN: set[type] = {
    *ATOMS, int, datetime.datetime, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID,
    ModelState, types.FunctionType, type,
}  # fmt: skip


def _is_plain(content: list[Any]) -> bool:
    for kind in set(map(type, content)) - _PLAIN:
        if OBJECTS.get(kind) not in _PARTS:
            return False
        _PLAIN.add(kind)
    return True


def _content(parts: Parts) -> list[Any]:
    """Everything in them."""
    out: list[Any] = []
    for part in parts:
        out.append(part)
        out += part
        if type(part) is dict:
            out += part.values()
    return out


class Given:
    """The entries of a scope as a state had them, and the text in which it had them."""

    __slots__ = ("_content", "_entries", "_objects", "_parts", "text")

    def __init__(
        self, text: str, entries: dict[str, Any], objects: list[Any], parts: Parts, content: list[Any]
    ) -> None:
        self.text = text
        self._entries = entries
        # In the order in which a walk meets them.
        self._objects = objects
        self._parts = parts
        self._content = content

    @classmethod
    def of(cls, text: str, entries: dict[str, Any], objects: list[Any]) -> Given | None:
        """None if one of the objects is of a kind whose changes are not seen here."""
        parts: Parts = []
        for v in objects:
            look = _PARTS.get(OBJECTS.get(type(v)))
            found = look(v) if look is not None else None
            if found is None:
                return None
            parts += found
        content = _content(parts)
        return cls(text, entries, objects, parts, content) if _is_plain(content) else None

    def is_left(self, scope: Mapping[str, Any]) -> bool:
        """Whether the scope has the same entries, with nothing in them changed."""
        entries = self._entries
        for name in CHANNELS:
            if scope.get(name, _ABSENT) is not entries.get(name, _ABSENT):
                return False
        now, before = _content(self._parts), self._content
        return len(now) == len(before) and all(map(is_, now, before))

    def meet(self, encoder: Encoder) -> None:
        """The walk has met the objects."""
        encoder.kept = self._objects.copy()
        encoder.memo = {id(v): number for number, v in enumerate(self._objects)}
