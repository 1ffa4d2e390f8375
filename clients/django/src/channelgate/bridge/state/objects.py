"""Objects of Python classes, and what becomes of an object that cannot be taken apart.

An object is its attributes and its slots. It is made again by `object.__new__` and filled; no `__init__` runs. A class
with a `__getstate__` of its own is asked, as `copy` asks it.
"""

from __future__ import annotations

import functools
import inspect
import sys
from typing import Any

from django.utils.functional import cached_property

from .layout import Layout, layout
from .names import dotted, resolve, spoken
from .tree import Decoder, Encode, Encoder, Unkept, Unreadable, cannot, follow, reads

_MISSING = object()
# Where Django keeps what every project imports.
_DJANGO = ("django.core.cache", "django.db", "django.conf")


def attributes_of(encoder: Encoder, v: Any, form: Layout) -> list[Any]:
    """Attributes and slots, without what is empty at the end."""
    if form.shape is not None:
        encoder.models[form.name] = [form.shape]
    attributes = getattr(v, "__dict__", None)
    if attributes and encoder.bare:
        attributes = without_cached(v, attributes)
    out: list[Any] = [encoder.members(attributes) if attributes else 0]
    if form.slots:
        taken = {name: part for name in form.slots if (part := getattr(v, name, _MISSING)) is not _MISSING}
        out.append(encoder.members(taken))
    elif out == [0]:
        return []
    return out


def is_cached(kind: type, name: str) -> bool:
    """Whether an attribute is what a property has looked up once."""
    return isinstance(inspect.getattr_static(kind, name, None), (functools.cached_property, cached_property))


def without_cached(v: Any, attributes: dict[str, Any]) -> dict[str, Any]:
    """The attributes without what properties have looked up once."""
    kind = type(v)
    return {name: part for name, part in attributes.items() if not is_cached(kind, name)}


def give(decoder: Decoder, v: Any, parts: list[Any]) -> None:
    if parts and parts[0]:
        v.__dict__.update(decoder.members(parts[0]))
    if len(parts) > 1:
        for name, part in decoder.members(parts[1]).items():
            # As `copyreg` does it for slots: a frozen class refuses only its own __setattr__.
            object.__setattr__(v, name, part)


def class_of(name: str) -> tuple[type, Layout]:
    kind = resolve(name)
    form = layout(kind) if isinstance(kind, type) else None
    if form is None:
        raise Unreadable(f"{spoken(name)} is not a class whose objects are kept any more")
    return kind, form


def _encode_plain(encoder: Encoder, v: Any) -> Any:
    form = layout(type(v))
    assert form is not None
    return {"$o": [form.name, *attributes_of(encoder, v, form)]}


@reads("$o")
def _plain(decoder: Decoder, x: list[Any]) -> Any:
    kind, form = class_of(x[0])
    if form.base is not object:
        raise Unreadable(f"{spoken(form.name)} is a {form.base.__name__} now")
    out: Any = object.__new__(kind)
    decoder.memo.append(out)
    give(decoder, out, x[1:])
    return out


def _encode_stateful(encoder: Encoder, v: Any) -> Any:
    form = layout(type(v))
    assert form is not None
    if form.shape is not None:
        encoder.models[form.name] = [form.shape]
    state = v.__getstate__()
    encoder.alive.append(state)
    return {"$gs": [form.name, encoder.encode(state)]}


@reads("$gs")
def _stateful(decoder: Decoder, x: list[Any]) -> Any:
    kind, form = class_of(x[0])
    if form.base is not object or not form.states:
        raise Unreadable(f"{spoken(form.name)} has another form now")
    out: Any = object.__new__(kind)
    decoder.memo.append(out)
    state = decoder.decode(x[1])
    if hasattr(out, "__setstate__"):
        out.__setstate__(state)
        return out
    # The protocol of __getstate__: attributes, or a pair of attributes and slots.
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if attributes:
        out.__dict__.update(attributes)
    for name, part in (slots or {}).items():
        object.__setattr__(out, name, part)
    return out


def objects(kind: type) -> tuple[bool, Encode] | None:
    form = layout(kind)
    if form is None or form.base is not object:
        return None
    code = _encode_stateful if form.states else _encode_plain
    if form.ours:
        return True, code

    def installed(encoder: Encoder, v: Any) -> Any:
        """Of an installed package: as a whole, or as the one that `__init__` made."""
        number, alive = len(encoder.kept), len(encoder.alive)
        try:
            return code(encoder, v)
        except Unkept:
            hole = encoder.baseline.hole(v) if encoder.baseline is not None else None
            if hole is None:
                raise
            encoder.back_to(number, alive)
            return hole

    return True, installed


# ------------------------------------------------------------------ what cannot be taken apart


def encode_opaque(encoder: Encoder, v: Any) -> Any:
    """The consumer itself, what `__init__` made, a global by its name; else the call is refused."""
    if v is encoder.consumer:
        return {"$self": 0}
    if encoder.baseline is not None:
        hole = encoder.baseline.hole(v)
        if hole is not None:
            return hole
    if encoder.consumer is not None:
        name = global_name(v, type(encoder.consumer))
        if name is not None:
            return {"$g": [name]}
    raise cannot(type(v))


def global_name(v: Any, kind: type) -> str | None:
    """The name of an object in a module that its class or the consumer's classes are from, or in such a class."""
    modules = dict.fromkeys([type(v).__module__, *(c.__module__ for c in kind.__mro__), *_DJANGO])
    for module in modules:
        found = look_in(module, v)
        if found is not None:
            return found
    for c in kind.__mro__:
        for name, part in vars(c).items():
            if part is v:
                return f"{dotted(c)}.{name}"
    return None


def look_in(module: str, v: Any) -> str | None:
    found = sys.modules.get(module)
    if found is not None:
        for name, part in vars(found).items():
            if part is v:
                return f"{module}:{name}"
    return None


@reads("$self")
def _self(decoder: Decoder, _: Any) -> Any:
    decoder.memo.append(decoder.consumer)
    return decoder.consumer


@reads("$g")
def _global(decoder: Decoder, x: list[Any]) -> Any:
    try:
        out = follow(resolve(x[0]), x[1:])
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise Unreadable(f"{spoken(x[0])} does not have this part any more: {x[1:]}") from error
    decoder.memo.append(out)
    return out


@reads("$h")
def _hole(decoder: Decoder, x: list[Any]) -> Any:
    out = decoder.hole(x)
    decoder.memo.append(out)
    return out


def anything(kind: type) -> tuple[bool, Encode]:
    return True, encode_opaque
