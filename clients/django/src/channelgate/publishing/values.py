"""What may be sent: the names of groups, and events made of plain values. A mistake raises where it is written."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import LazyObject, Promise, empty

#: Channels' rule for a group: at most 99 of these characters.
GROUP = re.compile(r"[A-Za-z0-9_.-]{1,99}")
#: What can be the name of a consumer's method, with `.` for `_`.
TYPE = re.compile(r"[^\W\d_][\w.]*")
#: Channels' serializer carries these integers.
SMALLEST, LARGEST = -(2**63), 2**64 - 1
#: A character of a value that is not written as it is in the name of a group (docs/GROUPS.md).
UNFIT = re.compile(r"[^A-Za-z0-9_.-]|-(?=x[0-9a-f]{2})")

_encoder = DjangoJSONEncoder()


class Message(NamedTuple):
    """An event and the group that it is for."""

    group: str
    event: dict[str, Any]


def message(group: Any, event: Any) -> Message:
    """A message with plain values only; later changes of `event` do not change it."""
    return Message(_group(group), _event(event))


def messages(pairs: Iterable[Any]) -> list[Message]:
    """The same for each pair of a group and its event."""
    found = []
    for number, pair in enumerate(pairs):
        try:
            group, event = pair
        except (TypeError, ValueError):
            raise TypeError(f"message {number}: a message is a pair of a group and an event") from None
        found.append(message(group, event))
    return found


def group_of(identity: str) -> str:
    """The group of a user's connections: `user_{{ user.id }}` in a node's configuration, `to_user` of its steps."""
    return f"user_{UNFIT.sub(_escaped, identity)}"


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"-x{byte:02x}" for byte in found[0].encode())


def _group(group: Any) -> str:
    group = _behind(group)
    if not isinstance(group, str):
        raise TypeError(f"the name of a group is text, not {type(group).__name__}")
    name = str.__str__(group)
    if not GROUP.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be the name of a group: 1 to 99 ASCII letters, digits, hyphens, underscores and periods"
        )
    return name


def _event(event: Any) -> dict[str, Any]:
    if not isinstance(event, Mapping):
        raise TypeError(f'an event is a dictionary with a "type", not {type(event).__name__}')
    try:
        found: dict[str, Any] = plain(event, "event")
    except RecursionError:
        raise ValueError("the event is nested too deep, or contains itself") from None
    if not isinstance(found.get("type"), str) or not TYPE.fullmatch(found["type"]):
        raise ValueError(
            'event["type"] is the name of a consumer\'s method, such as "order.status": letters, digits, "_" and ".", '
            f"beginning with a letter; this is {found.get('type')!r}"
        )
    return found


def plain(value: Any, where: str) -> Any:
    """The value as JSON has it: what Django's encoder knows (dates, Decimal, UUID, lazy text) becomes text."""
    value = _behind(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        return _whole(value, where)
    if isinstance(value, float):
        return _number(value, where)
    if isinstance(value, Mapping):
        return {_key(key, where): plain(one, f"{where}[{key!r}]") for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one, f"{where}[{number}]") for number, one in enumerate(value)]
    if isinstance(value, Promise):
        return _text(str(value), where)
    try:
        return plain(_encoder.default(value), where)
    except TypeError:
        raise TypeError(f"{where} is {_kind(value)}, which JSON does not have: send its fields") from None


def _behind(value: Any) -> Any:
    """What a lazy object stands for: a check of its class says that it is one already."""
    while issubclass(type(value), LazyObject):
        if value._wrapped is empty:
            value._setup()
        value = value._wrapped
    return value


def _text(value: str, where: str) -> str:
    text = str.__str__(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{where} has half of a surrogate pair, which UTF-8 does not have") from None
    return text


def _whole(value: int, where: str) -> int:
    number = int(value)
    if not SMALLEST <= number <= LARGEST:
        raise ValueError(f"{where} has more than 64 bits: send it as text")
    return number


def _number(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{where} is {value}, which JSON does not have")
    return float(value)


def _key(key: Any, where: str) -> str:
    if isinstance(key, str | Promise):
        return _text(str(key), where)
    raise TypeError(f"{where} has the key {key!r}: keys are text")


def _kind(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
