"""Values of the standard library that say what they are: containers, bytes, numbers, identifiers, paths."""

from __future__ import annotations

import collections
import decimal
import enum
import fractions
import ipaddress
import pathlib
import re
import types
import uuid
from base64 import b64decode, b64encode
from typing import Any

from .names import dotted, resolve, spoken
from .tree import DECODERS, VALUES, Decoder, Encode, Encoder, Unkept, Unreadable, entity, reads, value


def pairs(encoder: Encoder, v: Any) -> list[Any]:
    """Keys and values of a mapping in turn."""
    out: list[Any] = []
    key: Any = None
    try:
        for key, part in dict.items(v):
            out.append(encoder.encode(key))
            out.append(encoder.encode(part))
    except Unkept as unkept:
        unkept.path.append(f"[{key!r}]")
        raise
    return out


@value(bytes)
def encode_bytes(_: Encoder, v: bytes) -> Any:
    # Names and text stay readable and short; the rest is base64.
    if v.isascii() and v.decode("ascii").isprintable():
        return {"$a": v.decode("ascii")}
    return {"$b": b64encode(v).decode("ascii")}


@reads("$a")
def _ascii(_: Decoder, x: str) -> bytes:
    return x.encode("ascii")


@reads("$b")
def _bytes(_: Decoder, x: str) -> bytes:
    return b64decode(x)


@entity(bytearray)
def _encode_bytearray(_: Encoder, v: bytearray) -> Any:
    return {"$ba": b64encode(v).decode("ascii")}


@reads("$ba")
def _bytearray(decoder: Decoder, x: str) -> bytearray:
    out = bytearray(b64decode(x))
    decoder.memo.append(out)
    return out


@entity(tuple)
def _encode_tuple(encoder: Encoder, v: tuple[Any, ...]) -> Any:
    return {"$t": encoder.whole(v, v)}


@reads("$t")
def _tuple(decoder: Decoder, x: list[Any]) -> tuple[Any, ...]:
    number = decoder.reserve()
    out = decoder.memo[number] = tuple(decoder.fill(x))
    return out


@entity(set)
def _encode_set(encoder: Encoder, v: set[Any]) -> Any:
    return {"$s": encoder.items(v)}


@reads("$s")
def _set(decoder: Decoder, x: list[Any]) -> set[Any]:
    out: set[Any] = set()
    decoder.memo.append(out)
    out.update(decoder.fill(x))
    return out


@entity(frozenset)
def _encode_frozenset(encoder: Encoder, v: frozenset[Any]) -> Any:
    return {"$fs": encoder.whole(v, v)}


@reads("$fs")
def _frozenset(decoder: Decoder, x: list[Any]) -> frozenset[Any]:
    number = decoder.reserve()
    out = decoder.memo[number] = frozenset(decoder.fill(x))
    return out


@entity(collections.deque)
def _encode_deque(encoder: Encoder, v: collections.deque[Any]) -> Any:
    return {"$q": [v.maxlen, encoder.items(v)]}


@reads("$q")
def _deque(decoder: Decoder, x: list[Any]) -> collections.deque[Any]:
    out: collections.deque[Any] = collections.deque(maxlen=x[0])
    decoder.memo.append(out)
    out.extend(decoder.fill(x[1]))
    return out


@entity(collections.OrderedDict)
def _encode_ordered(encoder: Encoder, v: Any) -> Any:
    return {"$od": pairs(encoder, v)}


@reads("$od")
def _ordered(decoder: Decoder, x: list[Any]) -> Any:
    return _filled(decoder, collections.OrderedDict(), x)


def _filled(decoder: Decoder, out: Any, x: list[Any]) -> Any:
    decoder.memo.append(out)
    decoder.fill(x)
    for key, part in zip(x[::2], x[1::2], strict=True):
        out[key] = part
    return out


@entity(collections.Counter)
def _encode_counter(encoder: Encoder, v: Any) -> Any:
    return {"$ct": pairs(encoder, v)}


@reads("$ct")
def _counter(decoder: Decoder, x: list[Any]) -> Any:
    return _filled(decoder, collections.Counter(), x)


@entity(collections.defaultdict)
def _encode_defaultdict(encoder: Encoder, v: collections.defaultdict[Any, Any]) -> Any:
    try:
        factory = encoder.encode(v.default_factory)
    except Unkept as unkept:
        unkept.path.append(".default_factory")
        raise
    return {"$dd": [factory, pairs(encoder, v)]}


@reads("$dd")
def _defaultdict(decoder: Decoder, x: list[Any]) -> Any:
    out: collections.defaultdict[Any, Any] = collections.defaultdict()
    number = decoder.reserve()
    out.default_factory = decoder.decode(x[0])
    decoder.memo[number] = out
    decoder.fill(x[1])
    out.update(zip(x[1][::2], x[1][1::2], strict=True))
    return out


@entity(collections.ChainMap)
def _encode_chain(encoder: Encoder, v: collections.ChainMap[Any, Any]) -> Any:
    return {"$cm": encoder.items(v.maps)}


@reads("$cm")
def _chain(decoder: Decoder, x: list[Any]) -> Any:
    out: collections.ChainMap[Any, Any] = collections.ChainMap()
    decoder.memo.append(out)
    out.maps = decoder.fill(x)
    return out


@entity(types.SimpleNamespace)
def _encode_namespace(encoder: Encoder, v: types.SimpleNamespace) -> Any:
    return {"$ns": encoder.members(vars(v))}


@reads("$ns")
def _namespace(decoder: Decoder, x: dict[str, Any]) -> types.SimpleNamespace:
    out = types.SimpleNamespace()
    decoder.memo.append(out)
    vars(out).update(decoder.members(x))
    return out


@entity(types.MappingProxyType)
def _encode_proxy(encoder: Encoder, v: types.MappingProxyType[Any, Any]) -> Any:
    copy = dict(v)
    encoder.alive.append(copy)
    return {"$mp": encoder.whole(v, [copy])}


@reads("$mp")
def _proxy(decoder: Decoder, x: list[Any]) -> Any:
    number = decoder.reserve()
    out = decoder.memo[number] = types.MappingProxyType(decoder.fill(x)[0])
    return out


# Values whose text makes them again: type, tag, writer, reader.
for _kind, _tag, _write, _read in (
    (decimal.Decimal, "$dec", str, decimal.Decimal),
    (uuid.UUID, "$u", lambda v: v.hex, lambda x: uuid.UUID(hex=x)),
    (complex, "$cx", lambda v: [v.real, v.imag], lambda x: complex(*x)),
    (fractions.Fraction, "$fr", lambda v: [hex(v.numerator), hex(v.denominator)],
     lambda x: fractions.Fraction(int(x[0], 16), int(x[1], 16))),
    (range, "$rg", lambda v: [hex(v.start), hex(v.stop), hex(v.step)], lambda x: range(*(int(n, 16) for n in x))),
    (type(Ellipsis), "$el", lambda v: 0, lambda x: Ellipsis),
    (type(NotImplemented), "$ni", lambda v: 0, lambda x: NotImplemented),
    *((_path, f"$p{_letter}", str, _path) for _letter, _path in (
        ("p", pathlib.PurePosixPath), ("w", pathlib.PureWindowsPath), ("h", type(pathlib.Path())))),
    *((_address, f"$ip{_number}", str, _address) for _number, _address in enumerate((
        ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network))),
    (ipaddress.IPv4Interface, "$ip4", lambda v: v.with_prefixlen, ipaddress.IPv4Interface),
    (ipaddress.IPv6Interface, "$ip5", lambda v: v.with_prefixlen, ipaddress.IPv6Interface),
):  # fmt: skip

    def _register(kind: Any, tag: str, write: Any, read: Any) -> None:
        VALUES[kind] = lambda _, v: {tag: write(v)}
        DECODERS[tag] = lambda _, x: read(x)

    _register(_kind, _tag, _write, _read)


@value(slice)
def _encode_slice(encoder: Encoder, v: slice) -> Any:
    return {"$sl": [encoder.encode(v.start), encoder.encode(v.stop), encoder.encode(v.step)]}


@reads("$sl")
def _slice(decoder: Decoder, x: list[Any]) -> slice:
    return slice(*decoder.fill(x))


@value(re.Pattern)
def _encode_pattern(encoder: Encoder, v: re.Pattern[Any]) -> Any:
    return {"$re": [encoder.encode(v.pattern), v.flags & ~re.DEBUG]}


@reads("$re")
def _pattern(decoder: Decoder, x: list[Any]) -> re.Pattern[Any]:
    pattern = decoder.decode(x[0])
    return re.compile(pattern, x[1] & ~re.UNICODE if isinstance(pattern, bytes) else x[1])


def _encode_member(_: Encoder, v: enum.Enum) -> Any:
    kind = type(v)
    name = v.name
    # A flag of several bits, or of bits without a name: Flag makes it again from its number.
    if isinstance(v, enum.Flag) and (name is None or kind.__members__.get(name) is not v):
        return {"$fl": [dotted(kind), v.value]}
    return {"$e": [dotted(kind), name]}


@reads("$e")
def _member(_: Decoder, x: list[Any]) -> Any:
    kind = resolve(x[0])
    if not (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        raise Unreadable(f"{spoken(x[0])} is not an Enum any more")
    member = kind.__members__.get(x[1])
    if member is None:
        raise Unreadable(f"{spoken(x[0])} has no member {x[1]} any more")
    return member


@reads("$fl")
def _flag(_: Decoder, x: list[Any]) -> Any:
    kind = resolve(x[0])
    if not (isinstance(kind, type) and issubclass(kind, enum.Flag)):
        raise Unreadable(f"{spoken(x[0])} is not a Flag any more")
    try:
        return kind(x[1])
    except ValueError as error:
        raise Unreadable(f"{spoken(x[0])} does not have the bits {x[1]} any more") from error


def enums(kind: type) -> tuple[bool, Encode] | None:
    return (False, _encode_member) if issubclass(kind, enum.Enum) else None
