"""What refers to code: classes, functions, modules, methods, partials. All by name; a method with its owner."""

from __future__ import annotations

import functools
import importlib
import types
from typing import Any

from .framework import layer_of
from .names import dotted, module_of, resolve, spoken
from .tree import Decoder, Encode, Encoder, Unkept, Unreadable, cannot, entity, reads, value


@value(type)
@value(types.FunctionType)
def _encode_named(encoder: Encoder, v: Any) -> Any:
    try:
        return {"$c": dotted(v)}
    except Unkept:
        alias = layer_of(v)
        if alias is not None:
            return {"$bm": [v.__name__, {"$ly": alias}]}
        # The one that __init__ made. A function has no number.
        hole = encoder.baseline.hole(v) if encoder.baseline is not None else None
        if hole is None:
            raise
        return {"$hf": hole["$h"]}


@value(types.BuiltinFunctionType)
def _encode_builtin(encoder: Encoder, v: Any) -> Any:
    if isinstance(v.__self__, types.ModuleType):
        return {"$c": dotted(v)}
    if isinstance(v.__self__, type):
        raise cannot(type(v))
    # A method of a built-in type, as `self.items.append`.
    return {"$bm": [v.__name__, encoder.encode(v.__self__)]}


@reads("$c")
def _named(_: Decoder, x: str) -> Any:
    return resolve(x)


@value(types.ModuleType)
def _encode_module(_: Encoder, v: types.ModuleType) -> Any:
    return {"$mod": module_of(v)}


@reads("$hf")
def _made(decoder: Decoder, x: list[Any]) -> Any:
    return decoder.hole(x)


@reads("$mod")
def _module(_: Decoder, x: str) -> Any:
    try:
        return importlib.import_module(x)
    except ImportError as error:
        raise Unreadable(f"the module {x} is not there any more") from error


@value(types.MethodType)
def _encode_method(encoder: Encoder, v: types.MethodType) -> Any:
    owner, name = v.__self__, getattr(v.__func__, "__name__", "")
    if getattr(getattr(owner, name, None), "__func__", None) is not v.__func__:
        # Wrapped by a decorator that does not keep the name: found among the methods of the class.
        names = (n for c in type(owner).__mro__ for n, f in vars(c).items() if f is v.__func__)
        name = next(names, "")
        if not name:
            raise Unkept(f"is a method that {type(owner).__qualname__} does not have under its name "
                         f"({v.__func__.__qualname__}), which cannot be kept from one call to the next")  # fmt: skip
    return {"$bm": [name] if owner is encoder.consumer else [name, encoder.encode(owner)]}


@reads("$bm")
def _method(decoder: Decoder, x: list[Any]) -> Any:
    owner = decoder.decode(x[1]) if len(x) == 2 else decoder.consumer
    method = getattr(owner, x[0], None)
    if not isinstance(method, (types.MethodType, types.BuiltinFunctionType, types.FunctionType)):
        raise Unreadable(f"{type(owner).__qualname__} has no method {spoken(x[0])} any more")
    return method


@entity(functools.partial)
def _encode_partial(encoder: Encoder, v: functools.partial[Any]) -> Any:
    return {"$pt": [*encoder.whole(v, [v.func, *v.args]), encoder.members(v.keywords)]}


@reads("$pt")
def _partial(decoder: Decoder, x: list[Any]) -> Any:
    number = decoder.reserve()
    keywords = x.pop()
    parts = decoder.fill(x)
    out = decoder.memo[number] = functools.partial(parts[0], *parts[1:], **decoder.members(keywords))
    return out


def classes(kind: type) -> tuple[bool, Encode] | None:
    """Classes of any metaclass."""
    return (False, _encode_named) if issubclass(kind, type) else None
