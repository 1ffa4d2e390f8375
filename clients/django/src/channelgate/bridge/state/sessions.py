"""Sessions of every engine, with what is read, changed and not saved yet; lazy objects; the anonymous user."""

from __future__ import annotations

import importlib
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.utils.functional import LazyObject, SimpleLazyObject, empty

from .layout import FRAMEWORKS, top
from .names import dotted, resolve, spoken
from .tree import Decoder, Encode, Encoder, Unkept, Unreadable, article, reads

_ENGINES: dict[str, type] = {}


def _engine() -> type:
    name = settings.SESSION_ENGINE
    engine = _ENGINES.get(name)
    if engine is None:
        engine = _ENGINES[name] = importlib.import_module(name).SessionStore
    return engine


# What the store's __init__ makes (the key, two flags, the serializer, the cache of some engines), and what it looks up
# once: the model.
_MADE = frozenset("_SessionBase__session_key accessed modified serializer _cache _session_cache model".split())  # noqa: SIM905


def _encode_session(encoder: Encoder, v: Any) -> Any:
    kind = type(v)
    attributes = v.__dict__
    flags = int(bool(v.accessed)) + 2 * int(bool(v.modified))
    cache = attributes.get("_session_cache")
    if encoder.bare:
        # Who reads a session does not change it.
        flags &= 2
        cache = cache if v.modified else None
    out: list[Any] = [v.session_key, flags]
    extras = attributes.keys() - _MADE
    foreign = kind is not _engine()
    if cache is not None or extras or foreign:
        # A refusal reads `self.session["key"]`, as the project writes it.
        out.append(0 if cache is None else encoder.encode(cache))
    if extras or foreign:
        out.append(encoder.members({name: attributes[name] for name in sorted(extras)}))
    if foreign:
        out.append(dotted(kind))
    return {"$ss": out}


@reads("$ss")
def _session(decoder: Decoder, x: list[Any]) -> Any:
    kind = resolve(x[4]) if len(x) > 4 else _engine()
    if not (isinstance(kind, type) and issubclass(kind, SessionBase)):
        raise Unreadable(f"{spoken(x[4])} is not a session store any more")
    out: Any = kind(x[0])
    decoder.memo.append(out)
    if len(x) > 2 and x[2] != 0:
        out._session_cache = decoder.decode(x[2])
    if len(x) > 3:
        out.__dict__.update(decoder.members(x[3]))
    out.accessed, out.modified = bool(x[1] & 1), bool(x[1] & 2)
    return out


def sessions(kind: type) -> tuple[bool, Encode] | None:
    return (True, _encode_session) if issubclass(kind, SessionBase) else None


# ------------------------------------------------------------------ lazy objects


def _encode_lazy(encoder: Encoder, v: Any) -> Any:
    kind = type(v)
    if v is settings:
        return {"$g": ["django.conf:settings"]}
    wrapped = v.__dict__.get("_wrapped", empty)
    if wrapped is empty and issubclass(kind, SimpleLazyObject):
        # What its function gives is what the consumer would see next.
        try:
            v._setup()
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise Unkept(f"is {article(kind)} that cannot be evaluated now ({reason})") from error
        wrapped = v.__dict__["_wrapped"]
    if wrapped is empty:
        return {"$l": [_lazy_name(kind)]}
    name = _lazy_name(kind)
    return {"$l": [name, wrapped if type(wrapped) is str else encoder.encode(wrapped)]}


# The classes that middleware of Channels and of Django makes.
_SHORT: dict[Any, Any] = {
    "channels.auth:UserLazyObject": 0,
    "django.utils.functional:LazyObject": 1,
    "django.utils.functional:SimpleLazyObject": 2,
}
_LONG = {short: name for name, short in _SHORT.items()}
# Those classes by their short names: they stay what they are.
_KINDS: dict[Any, type[LazyObject]] = {}
_NAMES: dict[type, Any] = {}


def _lazy_name(kind: type) -> Any:
    name = _NAMES.get(kind)
    if name is None:
        name = dotted(kind)
        name = _NAMES[kind] = _SHORT.get(name, name)
    return name


@reads("$l")
def _lazy(decoder: Decoder, x: list[Any]) -> Any:
    kind = _KINDS.get(x[0]) or _lazy_class(x[0])
    out: Any = LazyObject.__new__(kind)
    decoder.memo.append(out)
    attributes = out.__dict__
    attributes["_wrapped"] = empty
    if len(x) > 1:
        attributes["_wrapped"] = decoder.decode(x[1])
    if issubclass(kind, SimpleLazyObject):
        attributes["_setupfunc"] = _given(attributes["_wrapped"])
    return out


def _lazy_class(short: Any) -> type[LazyObject]:
    name = _LONG.get(short, short)
    kind = resolve(name)
    if not (isinstance(kind, type) and issubclass(kind, LazyObject)):
        raise Unreadable(f"{spoken(name)} is not a lazy object any more")
    if short in _LONG:
        _KINDS[short] = kind
    return kind


def _given(wrapped: Any) -> Any:
    return lambda: wrapped


def lazies(kind: type) -> tuple[bool, Encode] | None:
    return (True, _encode_lazy) if issubclass(kind, LazyObject) else None


# ------------------------------------------------------------------ users without a row


def _encode_anonymous(encoder: Encoder, v: Any) -> Any:
    return {"$an": encoder.members(v.__dict__) if v.__dict__ else 0}


@reads("$an")
def _anonymous(decoder: Decoder, x: Any) -> Any:
    from django.contrib.auth.models import AnonymousUser

    out = AnonymousUser()
    decoder.memo.append(out)
    if x:
        out.__dict__.update(decoder.members(x))
    return out


def users(kind: type) -> tuple[bool, Encode] | None:
    if kind.__qualname__ == "AnonymousUser" and top(kind) in FRAMEWORKS:
        return True, _encode_anonymous
    return None
