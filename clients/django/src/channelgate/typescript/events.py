"""The events that a consumer of channelgate.toml sends, by the name under which @channelgate/client handles them."""

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
    UNDEFINED,
    UNKNOWN,
    Array,
    Literal,
    Record,
    Shape,
    Tuple,
    Union,
    shape,
    union,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """One frame or event that a handler sends."""

    #: What the page hears; None if that differs from event to event, empty for a frame without a name.
    name: str | None
    #: What a handler of the page gets, and the whole: a frame, or all arguments of an event of Socket.IO.
    data: Shape
    whole: Shape
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
        frame, problem = _read(value, names)
        for name, data, whole in _split(frame, None if handler == "*" else handler):
            yield Sent(name, data, whole, handler, problem)
    elif key == "emit" and isinstance(value, Mapping):
        data, whole, problem = _emitted(value, names)
        name, why = _name(value.get("event"), names)
        yield Sent(name, data, whole, handler, problem or why)


def _split(frame: Shape, own: str | None) -> Iterator[tuple[str | None, Shape, Shape]]:
    """Names, data and frames, as the client reads them: `{event, data}`, else `{type, …}`, which is its own data.

    One frame, or several where a condition chooses. The name is None if the event chooses, and empty if there is none.
    `own` is the type of the event: the best guess where nothing is known of the frame.
    """
    for one in frame.of if isinstance(frame, Union) else (frame,):
        fields = dict(one.fields) if isinstance(one, Record) else {}
        if _may_be_text(fields.get("event")):
            data = fields.get("data", UNKNOWN if isinstance(one, Record) and one.is_open else UNDEFINED)
            yield from ((name, data, _with(one, "event", name)) for name in _texts(fields["event"]))
        elif _may_be_text(fields.get("type")):
            named = ((name, _with(one, "type", name)) for name in _texts(fields["type"]))
            yield from ((name, whole, whole) for name, whole in named)
        else:
            is_known = one != UNKNOWN and not (isinstance(one, Record) and one.is_open)
            yield ("" if is_known else own), one, one


def _may_be_text(of: Shape | None) -> bool:
    """Whether a key names the event: only text does."""
    if isinstance(of, Union):
        return any(map(_may_be_text, of.of))
    return of in (STRING, UNKNOWN) or (isinstance(of, Literal) and isinstance(of.value, str))


def _texts(naming: Shape) -> list[str | None]:
    """The names that a key may have; None if the event chooses."""
    choices = naming.of if isinstance(naming, Union) else (naming,)
    texts = [choice.value for choice in choices if isinstance(choice, Literal) and isinstance(choice.value, str)]
    return [*texts] if len(texts) == len(choices) else [None]


def _with(frame: Shape, key: str, name: str | None) -> Shape:
    """The frame with this name."""
    if name is None or not isinstance(frame, Record):
        return frame
    fields = ((field, Literal(name) if field == key else of) for field, of in frame.fields)
    return Record(tuple(fields), frame.is_open)


def _emitted(value: Mapping[str, Any], names: Mapping[str, Shape]) -> tuple[Shape, Shape, str | None]:
    """The data of an event of Socket.IO, which is its first argument; all arguments."""
    if isinstance(value.get("args"), list):
        read = [_read(one, names) if isinstance(one, str) else (UNKNOWN, None) for one in value["args"]]
        arguments = tuple(one for one, _ in read)
        why = next((why for _, why in read if why), None)
        return arguments[0] if arguments else UNDEFINED, Tuple(arguments), why
    if isinstance(value.get("args"), str):
        of, why = _read(value["args"], names)
        return of.item if isinstance(of, Array) else UNKNOWN, of, why
    if isinstance(value.get("data"), str):
        of, why = _read(value["data"], names)
        return of, Tuple((of,)), why
    return UNDEFINED, Tuple(()), None


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
