"""What Django, Channels and the standard library give a consumer and give again: layers, loggers, loops, lazy texts."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from typing import Any

from asgiref.sync import AsyncToSync, SyncToAsync
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.functional import Promise, lazy
from django.utils.safestring import SafeString

from .names import dotted, resolve, spoken
from .tree import (
    OBJECTS,
    Decoder,
    Encode,
    Encoder,
    Unkept,
    Unreadable,
    cannot,
    entity,
    reads,
    value,
)  # fmt: skip


@value(SafeString)
def _encode_safe(_: Encoder, v: SafeString) -> Any:
    return {"$sf": str.__str__(v)}


@reads("$sf")
def _safe(_: Decoder, x: str) -> SafeString:
    return SafeString(x)


@entity(QueryDict)
def _encode_query(encoder: Encoder, v: QueryDict) -> Any:
    lists = {key: v.getlist(key) for key in v}
    encoder.alive.append(lists)
    return {"$qd": [v.encoding, int(v._mutable), encoder.encode(lists)]}


@reads("$qd")
def _query(decoder: Decoder, x: list[Any]) -> QueryDict:
    out = QueryDict(encoding=x[0], mutable=True)
    decoder.memo.append(out)
    for key, values in decoder.decode(x[2]).items():
        out.setlist(key, values)
    out._mutable = bool(x[1])
    return out


@entity(MultiValueDict)
def _encode_multi(encoder: Encoder, v: MultiValueDict) -> Any:
    lists = {key: v.getlist(key) for key in v}
    encoder.alive.append(lists)
    return {"$mv": encoder.encode(lists)}


@reads("$mv")
def _multi(decoder: Decoder, x: Any) -> MultiValueDict:
    out = MultiValueDict()
    decoder.memo.append(out)
    for key, values in decoder.decode(x).items():
        out.setlist(key, values)
    return out


def returned(kind: type) -> tuple[bool, Encode] | None:
    """What serializers of Django REST framework return: pickled, it is plain data without its serializer."""
    if kind.__module__ == "rest_framework.utils.serializer_helpers" and kind.__name__ in ("ReturnDict", "ReturnList"):
        return True, OBJECTS[dict if issubclass(kind, dict) else list]
    return None


# ------------------------------------------------------------------ lazy texts

# The functions behind Django's lazy texts. Nothing else is called to make a text.
_TEXTS = frozenset({
    "django.utils.translation:gettext", "django.utils.translation:pgettext",
    "django.utils.translation:ngettext", "django.utils.translation:npgettext",
    "django.urls.base:reverse", "django.templatetags.static:static", "django.utils.text:_format_lazy",
})  # fmt: skip


def _encode_promise(encoder: Encoder, v: Any) -> Any:
    try:
        _, (function, args, keywords, *kinds) = v.__reduce__()
        name = dotted(function)
    except (TypeError, ValueError, AttributeError, Unkept):
        raise cannot(type(v)) from None
    if name not in _TEXTS:
        raise Unkept(f"is a lazy text of {spoken(name)}, which cannot be kept from one call to the next")
    return {"$lz": [name, encoder.items(args), encoder.members(keywords), *(dotted(kind) for kind in kinds)]}


@reads("$lz")
def _promise(decoder: Decoder, x: list[Any]) -> Any:
    number = decoder.reserve()
    if x[0] not in _TEXTS:
        raise Unreadable(f"{spoken(x[0])} does not make texts")
    args, keywords = decoder.fill(x[1]), decoder.members(x[2])
    out = decoder.memo[number] = lazy(resolve(x[0]), *(resolve(kind) for kind in x[3:]))(*args, **keywords)
    return out


def promises(kind: type) -> tuple[bool, Encode] | None:
    return (True, _encode_promise) if issubclass(kind, Promise) else None


# ------------------------------------------------------------------ layers, loggers, loops, tasks


def _alias(v: Any) -> str | None:
    layers = sys.modules.get("channels.layers")
    if layers is not None:
        for alias, layer in layers.channel_layers.backends.items():
            if layer is v:
                return str(alias)
    return None


def _encode_layer(_: Encoder, v: Any) -> Any:
    alias = _alias(v)
    if alias is None:
        raise cannot(type(v))
    return {"$ly": alias}


def layer_of(function: Any) -> str | None:
    """The alias of the layer that has a function as an attribute of its own."""
    found = sys.modules.get("channels.layers")
    for alias, layer in found.channel_layers.backends.items() if found is not None else ():
        if getattr(layer, "__dict__", {}).get(function.__name__) is function:
            return str(alias)
    return None


@reads("$ly")
def _layer(_: Decoder, x: str) -> Any:
    from channels.layers import get_channel_layer

    return get_channel_layer(x)


def layers(kind: type) -> tuple[bool, Encode] | None:
    # Any class may be a layer: a layer is what CHANNEL_LAYERS made.
    found = sys.modules.get("channels.layers")
    if found is not None and any(type(layer) is kind for layer in found.channel_layers.backends.values()):
        return False, _encode_layer
    return None


@value(logging.Logger)
@value(logging.RootLogger)
def _encode_logger(_: Encoder, v: logging.Logger) -> Any:
    if v is not logging.root and logging.root.manager.loggerDict.get(v.name) is not v:
        raise cannot(type(v))
    return {"$lg": None if v is logging.root else v.name}


@reads("$lg")
def _logger(_: Decoder, x: str | None) -> logging.Logger:
    return logging.getLogger(x)


def loggers(kind: type) -> tuple[bool, Encode] | None:
    return (False, _encode_logger) if issubclass(kind, logging.Logger) else None


@entity(logging.LoggerAdapter)
def _encode_adapter(encoder: Encoder, v: Any) -> Any:
    return {"$la": encoder.members(v.__dict__)}


@reads("$la")
def _adapter(decoder: Decoder, x: dict[str, Any]) -> Any:
    out = object.__new__(logging.LoggerAdapter)
    decoder.memo.append(out)
    out.__dict__.update(decoder.members(x))
    return out


def _encode_loop(_: Encoder, v: asyncio.AbstractEventLoop) -> Any:
    return {"$lp": 0}


@reads("$lp")
def _loop(_: Decoder, __: Any) -> Any:
    return asyncio.get_running_loop()


def loops(kind: type) -> tuple[bool, Encode] | None:
    return (False, _encode_loop) if issubclass(kind, asyncio.AbstractEventLoop) else None


class Done(asyncio.Future):  # type: ignore[type-arg]
    """What is left of a task that had ended before the last call did."""


def _encode_future(encoder: Encoder, v: asyncio.Future[Any]) -> Any:
    if not v.done():
        name = getattr(getattr(v, "get_coro", lambda: None)(), "__qualname__", None)
        raise Unkept("is a task that still runs" + (f" ({name})" if name else ""), "background")
    if v.cancelled():
        return {"$ft": []}
    failure = v.exception()
    return {"$ft": [1, encoder.encode(failure)] if failure is not None else [0, encoder.encode(v.result())]}


@reads("$ft")
def _future(decoder: Decoder, x: list[Any]) -> Any:
    number = decoder.reserve()
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        loop.close()
    out = decoder.memo[number] = Done(loop=loop)
    if not x:
        out.cancel()
    elif x[0]:
        out.set_exception(decoder.decode(x[1]))
        out.exception()
    else:
        out.set_result(decoder.decode(x[1]))
    return out


def futures(kind: type) -> tuple[bool, Encode] | None:
    return (True, _encode_future) if issubclass(kind, asyncio.Future) else None


# ------------------------------------------------------------------ adapters between sync and async


def _encode_adapted(encoder: Encoder, v: Any) -> Any:
    kind = type(v)
    if issubclass(kind, AsyncToSync):
        return {"$sy": [dotted(kind), encoder.encode(v.awaitable)]}
    return {"$sy": [dotted(kind), encoder.encode(v.func), bool(v._thread_sensitive)]}


@reads("$sy")
def _adapted(decoder: Decoder, x: list[Any]) -> Any:
    number = decoder.reserve()
    kind = resolve(x[0])
    if not (isinstance(kind, type) and issubclass(kind, (AsyncToSync, SyncToAsync))):
        raise Unreadable(f"{spoken(x[0])} does not adapt functions any more")
    function = decoder.decode(x[1])
    make: Any = kind
    out = make(function) if len(x) == 2 else make(function, thread_sensitive=x[2])
    decoder.memo[number] = out
    return out


def adapters(kind: type) -> tuple[bool, Encode] | None:
    """What `async_to_sync(…)` and `database_sync_to_async(…)` return."""
    return (True, _encode_adapted) if issubclass(kind, (AsyncToSync, SyncToAsync)) else None


# ------------------------------------------------------------------ locks

# A lock that nobody holds carries nothing: a new one is the same. A held one belongs to a handler that has ended.
_LOCKS: dict[str, Any] = {
    "asyncio.Lock": asyncio.Lock, "threading.Lock": threading.Lock, "threading.RLock": threading.RLock,
}  # fmt: skip


def _lock(name: str, kind: type) -> Encode:
    def encode(encoder: Encoder, v: Any) -> Any:
        hole = encoder.baseline.hole(v) if encoder.baseline is not None else None
        if hole is not None:
            return hole
        free = not v.locked() if hasattr(v, "locked") else " count=0 " in repr(v)
        if not free:
            raise Unkept("is a lock that is held when the handler ends, which cannot be kept from one call to the next")
        return {"$lk": name}

    return encode


for _name, _make in _LOCKS.items():
    OBJECTS[type(_make())] = _lock(_name, type(_make()))


@reads("$lk")
def _read_lock(decoder: Decoder, x: str) -> Any:
    out = _LOCKS[x]()
    decoder.memo.append(out)
    return out
