"""Instances of classes that inherit a built-in type with content of its own: dict, str, datetime, exceptions.

The content is taken as the built-in type sees it, and given to an object that the built-in `__new__` made. No method of
the class runs.
"""

from __future__ import annotations

from typing import Any

from .layout import layout
from .names import resolve, spoken
from .objects import attributes_of, class_of, give
from .tree import Decoder, Encode, Encoder, Unreadable, reads

# Built-in content: how it is taken, and how it is given to an object that `__new__` made.
_WHOLE = (str, int, float, bytes, tuple, frozenset)


def _encode_content(encoder: Encoder, v: Any) -> Any:
    form = layout(type(v))
    assert form is not None
    base = form.base
    content: Any
    if issubclass(base, BaseException):
        return {"$x": [form.name, *_exception_parts(encoder, v, base)]}
    if base is tuple or base is frozenset:
        content = encoder.whole(v, base.__iter__(v))
    else:
        # A copy of the built-in type, encoded as such. It takes a number of its own, which nothing refers to.
        copy = _copy(base, v)
        encoder.alive.append(copy)
        content = encoder.encode(copy)
    return {"$oc": [form.name, content, *attributes_of(encoder, v, form)]}


_FIELDS = {
    "datetime": ("year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo"),
    "date": ("year", "month", "day"),
    "timedelta": ("days", "seconds", "microseconds"),
}


def _copy(base: Any, v: Any) -> Any:
    """The content as an object of the built-in type itself."""
    name = base.__name__
    if name in _FIELDS:
        copy = base(*(getattr(v, field) for field in _FIELDS[name]))
        return copy.replace(fold=v.fold) if name == "datetime" else copy
    if name == "deque":
        return base(base.__iter__(v), v.maxlen)
    if issubclass(base, dict):
        copy = base.__new__(base)
        if name == "defaultdict":
            copy.default_factory = v.default_factory
        for key, part in base.items(v):
            base.__setitem__(copy, key, part)
        return copy
    if name == "str":
        return str.__str__(v)
    return base(base.__iter__(v)) if hasattr(base, "__iter__") else base(v)


@reads("$oc")
def _content(decoder: Decoder, x: list[Any]) -> Any:
    kind, form = class_of(x[0])
    base: Any = form.base
    if base is object or issubclass(base, BaseException):
        raise Unreadable(f"{spoken(form.name)} has another form now")
    out: Any
    if base is tuple or base is frozenset:
        number = decoder.reserve()
        out = decoder.memo[number] = base.__new__(kind, decoder.fill(x[1]))
        give(decoder, out, x[2:])
        return out
    if base in _WHOLE or base.__module__ == "datetime":
        number = decoder.reserve()
        content = decoder.decode(x[1])
        if type(content) is not base:
            raise Unreadable(f"{spoken(form.name)} is a {base.__name__} now")
        out = decoder.memo[number] = _again(base, kind, content)
        give(decoder, out, x[2:])
        return out
    out = base.__new__(kind)
    decoder.memo.append(out)
    if base.__name__ == "OrderedDict" or base.__name__ == "deque":
        base.__init__(out)
    content = decoder.decode(x[1])
    if type(content) is not base:
        raise Unreadable(f"{spoken(form.name)} is a {base.__name__} now")
    if base.__name__ == "deque":
        base.__init__(out, content, content.maxlen)
    elif base.__name__ == "defaultdict":
        out.default_factory = content.default_factory
    if issubclass(base, dict):
        for key, part in content.items():
            base.__setitem__(out, key, part)
    elif base is set:
        base.update(out, content)
    elif base.__name__ != "deque":
        base.extend(out, content)
    give(decoder, out, x[2:])
    return out


def _again(base: Any, kind: type, v: Any) -> Any:
    if base.__name__ == "datetime":
        return base.__new__(kind, *(getattr(v, field) for field in _FIELDS["datetime"]), fold=v.fold)
    if base.__name__ in _FIELDS:
        return base.__new__(kind, *(getattr(v, field) for field in _FIELDS[base.__name__]))
    return base.__new__(kind, v)


def _exception_parts(encoder: Encoder, v: Any, base: Any) -> list[Any]:
    """The arguments of the built-in exception, what it was raised from, its attributes."""
    _, args, *state = base.__reduce__(v)
    out: list[Any] = [encoder.whole(v, args)]
    links = {name: link for name in ("__cause__", "__context__") if (link := getattr(v, name)) is not None}
    attributes = state[0] if state else {}
    out.append(encoder.members(links) if links else 0)
    out.append(encoder.members(attributes) if attributes else 0)
    while out[-1] == 0:
        out.pop()
    return out


def _encode_exception(encoder: Encoder, v: Any) -> Any:
    """A built-in exception."""
    return {"$x": [type(v).__name__, *_exception_parts(encoder, v, type(v))]}


@reads("$x")
def _exception(decoder: Decoder, x: list[Any]) -> Any:
    kind = resolve(x[0] if ":" in x[0] else f"builtins:{x[0]}")
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise Unreadable(f"{spoken(x[0])} is not an exception any more")
    base: Any = next(c for c in kind.__mro__ if c.__module__ == "builtins")
    number = decoder.reserve()
    args = decoder.fill(x[1])
    # The fields of a built-in exception come from its arguments; an __init__ of the project does not run.
    out: Any = base.__new__(kind, *args)
    decoder.memo[number] = out
    base.__init__(out, *args)
    if len(x) > 2 and x[2]:
        for name, link in decoder.members(x[2]).items():
            setattr(out, name, link)
    if len(x) > 3:
        BaseException.__setstate__(out, decoder.members(x[3]))
    return out


def contents(kind: type) -> tuple[bool, Encode] | None:
    if issubclass(kind, BaseException) and kind.__module__ == "builtins":
        return True, _encode_exception
    form = layout(kind)
    if form is None or form.base is object or form.states:
        return None
    return True, _encode_content
