"""Two frames as values: what they are, where they differ, and a key under which equal ones are found."""

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from channelgate.shadow import ignore, times

#: The name of a connection's channel, which differs by chance.
#: Names have at most 100 characters; without a limit, the time for a long word grows with its square.
_CHANNEL = re.compile(r"[\w.-]{0,100}specific[.\w-]{0,100}![\w.!-]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-f]{32}")
#: Keys whose values name a row: a message that is sent to both sides makes one on each.
_ID_KEY = re.compile(r"(?:.*_)?(?:id|pk|uuid|uid)|.*(?:Id|ID|Uuid|UUID)")
#: Keys by which clients tell events apart.
_KINDS = ("type", "event", "action", "command", "op", "kind", "method", "topic")

#: Below it a float has every whole number.
_EXACT = 2**53
#: JSON that is nested deeper is compared as text.
DEEPEST = 100

#: Whether two values under a key may differ, because each was made for its side.
Made = Callable[[str, Any, Any], bool]


class Missing:
    """In place of a value that one side does not have."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = Missing()


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A frame that is not JSON."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """Where two values differ."""

    path: str
    left: Any
    right: Any


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _without_channels(text: str) -> str:
    return _CHANNEL.sub("<channel>", text) if "specific" in text else text


def _depth(value: Any, left: int) -> None:
    if left < 0:
        raise RecursionError
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _depth(one, left - 1)


def decode(data: str | bytes, ignored: Sequence[ignore.Path]) -> Any:
    """A frame without what is ignored."""
    if isinstance(data, bytes):
        return data
    try:
        value = json.loads(data, parse_constant=_refused)
        # What comes later goes as deep, with more frames of Python's stack.
        _depth(value, DEEPEST)
    except (ValueError, RecursionError):
        return Text(data)
    return ignore.without(value, ignored)


def kind(value: Any) -> str:
    """What a client would call this event."""
    if isinstance(value, dict):
        for key in _KINDS:
            if isinstance(value.get(key), str):
                return f"{key} {value[key]}"
        return "keys " + ", ".join(sorted(value))
    if isinstance(value, Text):
        return "text"
    return "binary" if isinstance(value, bytes) else "list" if isinstance(value, list) else "value"


def is_id(key: str) -> bool:
    """Whether a key is one for the id of a row."""
    return _ID_KEY.fullmatch(key) is not None


def find_key(value: Any, made: bool) -> str:
    """A text that is equal for frames that may be the same: times, channels and, if `made`, ids are left out of it."""
    return json.dumps(_masked(value, "", made), sort_keys=True, default=repr)


def _masked(value: Any, key: str, made: bool) -> Any:
    if isinstance(value, dict):
        return {name: _masked(inner, name, made) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, key, made) for inner in value]
    if isinstance(value, Text):
        return {"text": _masked(value.text, "", made)}
    if isinstance(value, bool) or value is None or isinstance(value, bytes):
        return value
    if made and is_id(key):
        return "<id>"
    if times.moment(value) is not None:
        return "<time>"
    if isinstance(value, str):
        text = times.ISO.sub("<time>", _without_channels(value))
        return _UUID.sub("<id>", text) if made else text
    # JSON has one kind of number; a whole one may be too large for a float.
    return float(value) if abs(value) < _EXACT else str(value)


def differences(left: Any, right: Any, tolerance: float, made: Made | None = None, path: str = "$") -> list[Difference]:
    """Every place where two values differ. Times may differ by `tolerance` seconds; the order of keys is free."""
    if isinstance(left, dict) and isinstance(right, dict):
        found: list[Difference] = []
        for key in [*left, *(key for key in right if key not in left)]:
            one, two = left.get(key, MISSING), right.get(key, MISSING)
            found += differences(one, two, tolerance, made, f"{path}.{key}")
        return found
    if isinstance(left, list) and isinstance(right, list):
        found = []
        for index in range(max(len(left), len(right))):
            one = left[index] if index < len(left) else MISSING
            two = right[index] if index < len(right) else MISSING
            found += differences(one, two, tolerance, made, f"{path}[{index}]")
        return found
    if _same(left, right, tolerance) or (made is not None and made(path, left, right)):
        return []
    return [Difference(path, left, right)]


def _same(left: Any, right: Any, tolerance: float) -> bool:
    if isinstance(left, Text) and isinstance(right, Text):
        left, right = left.text, right.text
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if left == right:
        return True
    one, two = times.moment(left), times.moment(right)
    if one is not None and two is not None and isinstance(left, str) == isinstance(right, str):
        return one.is_near(two, tolerance)
    if isinstance(left, str) and isinstance(right, str):
        plain = _without_channels(left), _without_channels(right)
        return times.same_text(*plain, tolerance)
    return False


class Seen:
    """The ids that were known before a message was sent: those made by it are new on each side."""

    def __init__(self, known: Sequence[str] = ()) -> None:
        self.ids: set[str] = set(known)

    def learn(self, value: Any, key: str = "") -> None:
        """Remembers the ids of a frame."""
        if isinstance(value, dict):
            for name, inner in value.items():
                self.learn(inner, name)
        elif isinstance(value, list):
            for inner in value:
                self.learn(inner, key)
        elif isinstance(value, str | int) and (is_id(key) or _is_uuid(value)):
            self.ids.add(str(value))

    def made(self, path: str, left: Any, right: Any) -> bool:
        """Whether both are ids of one kind that nobody knew before."""
        if type(left) is not type(right) or not isinstance(left, str | int):
            return False
        key = re.sub(r"(?:\[\d+\])+$", "", path).rpartition(".")[2]
        return (
            (is_id(key) or (_is_uuid(left) and _is_uuid(right)))
            and str(left) not in self.ids
            and str(right) not in self.ids
        )


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None
