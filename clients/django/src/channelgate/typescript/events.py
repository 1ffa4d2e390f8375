"""The events that a consumer of channelgate.toml sends, by the name under which a page hears them."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from channelgate.nodefile import Consumer
from channelgate.nodefile.paths import parameters
from channelgate.typescript.parse import NotUnderstood, parse
from channelgate.typescript.shapes import (
    NUMBER,
    OPEN,
    STRING,
    UNKNOWN,
    Literal,
    Record,
    Shape,
    Tuple,
    Union,
    shape,
    union,
)

#: Keys of a frame that name its event, in the order in which they are looked at.
NAMING = ("type", "event")


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """One frame or event that a handler sends."""

    #: What the page hears; None if that differs from event to event.
    name: str | None
    data: Shape
    #: The handler that sends it, and what could not be read in it.
    handler: str
    problem: str | None = None


def sent_by(consumer: Consumer) -> list[Sent]:
    """Everything that the consumer's `on_event` sends."""
    names = _route(consumer)
    found: list[Sent] = []
    for handler, written in consumer.events.items():
        known = {**names, "event": _event(handler)}
        for key in ("send", "emit"):
            value = written.get(key)
            for one in value if isinstance(value, list) else () if value is None else (value,):
                found += _one(handler, key, one, known)
    return found


def by_name(events: list[Sent]) -> dict[str, Shape]:
    """The events that have a name, each once: two handlers may send the same one."""
    names = dict.fromkeys(one.name for one in events if one.name is not None)
    return {name: union(one.data for one in events if one.name == name) for name in names}


def _one(handler: str, key: str, value: Any, names: Mapping[str, Shape]) -> Iterator[Sent]:
    if key == "send" and isinstance(value, str):
        data, problem = _read(value, names)
        yield from (
            Sent(name, one, handler, problem) for name, one in _split(data, None if handler == "*" else handler)
        )
    elif key == "emit" and isinstance(value, Mapping):
        data, problem = _emitted(value, names)
        name, why = _name(value.get("event"), names)
        yield Sent(name, data, handler, problem or why)


def _split(frame: Shape, own: str | None) -> Iterator[tuple[str | None, Shape]]:
    """The names of a frame: one, several where a condition chooses, or none if the event chooses.

    `own` is the name of a frame that says none itself: the type of its event.
    """
    for one in frame.of if isinstance(frame, Union) else (frame,):
        fields = dict(one.fields) if isinstance(one, Record) else {}
        key = next((key for key in NAMING if key in fields), None)
        if key is None:
            yield own, one
            continue
        naming = fields[key]
        choices = naming.of if isinstance(naming, Union) else (naming,)
        texts = [choice.value for choice in choices if isinstance(choice, Literal) and isinstance(choice.value, str)]
        if len(texts) < len(choices):
            yield None, one
            continue
        for text in texts:
            fixed = tuple((name, Literal(text) if name == key else of) for name, of in fields.items())
            yield text, Record(fixed, isinstance(one, Record) and one.is_open)


def _emitted(value: Mapping[str, Any], names: Mapping[str, Shape]) -> tuple[Shape, str | None]:
    """The data of an event of Socket.IO; several arguments are a list."""
    if isinstance(value.get("args"), list):
        read = [_read(one, names) if isinstance(one, str) else (UNKNOWN, None) for one in value["args"]]
        return Tuple(tuple(one for one, _ in read)), next((why for _, why in read if why), None)
    if isinstance(value.get("args"), str):
        return _read(value["args"], names)
    if isinstance(value.get("data"), str):
        return _read(value["data"], names)
    return Tuple(()), None


def _name(written: Any, names: Mapping[str, Shape]) -> tuple[str | None, str | None]:
    """The name of an event of Socket.IO, which may be a template."""
    if not isinstance(written, str):
        return None, None
    if "{{" not in written:
        return written, None
    return None, None


def _read(text: str, names: Mapping[str, Shape]) -> tuple[Shape, str | None]:
    try:
        return shape(parse(text), names), None
    except (NotUnderstood, RecursionError) as why:
        return UNKNOWN, f"{str(why) or 'it is too deep'} in {' '.join(text.split())[:60]!r}"


def _event(handler: str) -> Shape:
    """What is known of the event itself: its type."""
    return OPEN if handler == "*" else Record((("type", Literal(handler)),), is_open=True)


def _route(consumer: Consumer) -> dict[str, Shape]:
    """The parameters of the consumer's path."""
    found = [one for path in consumer.paths for one in parameters(path)]
    fields = {one.name: NUMBER if one.converter == "int" else STRING for one in found}
    return {"route": Record(tuple(fields.items()))}
