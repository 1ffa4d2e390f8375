"""Messages of the channel layer as JSON, as the bridge's contract writes them.

Bytes are `{"$b": …}`, NaN and the infinities `{"$f": …}`; an object of a single key that begins with `$` is
`{"$d": {…}}`. What Redis layers cannot carry raises the error that they raise.
"""

import base64
import math
from typing import Any

#: msgpack's own limit of nesting.
DEPTH = 511


class UnfitKey(Exception):
    """A key that a layer carries, but JSON does not."""


def wire(value: Any, depth: int = 0) -> Any:
    """A value as the node takes it."""
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if kind is int:
        return _integer(value)
    if kind is float:
        return value if math.isfinite(value) else {"$f": _special(value)}
    if depth > DEPTH:
        raise ValueError("recursion limit exceeded.")
    if kind is list or kind is tuple:
        return [wire(item, depth + 1) for item in value]
    if isinstance(value, dict):
        out = {_key(key): wire(item, depth + 1) for key, item in value.items()}
        if len(out) == 1 and next(iter(out)).startswith("$"):
            return {"$d": out}
        return out
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$b": base64.b64encode(value).decode("ascii")}
    # Subclasses: a SafeString, an IntEnum, a ReturnList.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return _integer(int(value))
    if isinstance(value, float):
        return wire(float(value), depth)
    if isinstance(value, list | tuple):
        return [wire(item, depth + 1) for item in value]
    raise TypeError(f"can not serialize '{kind.__module__}.{kind.__qualname__}' object")


def _special(value: float) -> str:
    if math.isnan(value):
        return "nan"
    return "inf" if value > 0 else "-inf"


def _integer(value: int) -> int:
    if not -(1 << 63) <= value < (1 << 64):
        raise OverflowError("Integer value out of range")
    return value


def _key(key: Any) -> str:
    if type(key) is str:
        return key
    if isinstance(key, str):
        return str.__str__(key)
    raise UnfitKey(f"the key {key!r}, which is not text")


def unwire(value: Any) -> Any:
    """A value that the node wrote."""
    kind = type(value)
    if kind is list:
        return [unwire(item) for item in value]
    if kind is not dict:
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key == "$b" and isinstance(inner, str):
            return base64.b64decode(inner)
        if key == "$f" and inner in ("nan", "inf", "-inf"):
            return float(inner)
        if key == "$d" and isinstance(inner, dict):
            return {key: unwire(item) for key, item in inner.items()}
    return {key: unwire(item) for key, item in value.items()}
