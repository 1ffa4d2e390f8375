"""Which of the published events a test means, and what to say if there is none."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.core.serializers.json import DjangoJSONEncoder

#: How many events, and how much of each, a message of a failed assertion shows.
SHOWN, WIDTH = 10, 300


class Published(NamedTuple):
    """An event and its group: `for group, event in sent`."""

    group: str
    event: dict[str, Any]

    @property
    def type(self) -> Any:
        """The event's type: which handler it is for."""
        return self.event.get("type")


def wanted(fields: Mapping[str, Any], more: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields that an event has to have."""
    return {**(more or {}), **fields}


def differences(event: Mapping[str, Any], fields: Mapping[str, Any]) -> list[str]:
    """In which of the fields an event is not as it should be."""
    found = []
    for name, value in fields.items():
        if name not in event:
            found.append(f"has no {name}")
        elif not _same(event[name], value):
            found.append(f"{name} is {_text(event[name])}")
    return found


def _same(found: Any, expected: Any) -> bool:
    # `publish()` makes values plain at the call: a time is a text by then.
    return bool(found == expected) or _text(found) == _text(expected)


def _text(value: Any) -> str:
    try:
        return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError):
        return repr(value)


def named(group: str, fields: Mapping[str, Any]) -> str:
    """What was looked for."""
    words = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    return f"to {group!r}" + (f" with {words}" if words else "")


def listing(published: Sequence[Published], group: str, fields: Mapping[str, Any]) -> str:
    """What was published instead, the group's own events first, each with what is different in it."""
    if not published:
        return "Nothing was published."
    own = [one for one in published if one.group == group]
    ordered = own + [one for one in published if one.group != group]
    lines = [f"Published ({len(published)}):", *_lines(ordered[:SHOWN], group, fields)]
    if len(ordered) > SHOWN:
        lines.append(f"  and {len(ordered) - SHOWN} more")
    if not own:
        lines.append(f"Groups: {', '.join(sorted({one.group for one in published}))}")
    return "\n".join(lines)


def _lines(published: Iterable[Published], group: str, fields: Mapping[str, Any]) -> Iterable[str]:
    for one in published:
        text = _text(one.event)
        text = text if len(text) <= WIDTH else text[:WIDTH] + "…"
        why = differences(one.event, fields) if one.group == group else []
        yield f"  {one.group}: {text}" + (f"   <- {', '.join(why)}" if why else "")
