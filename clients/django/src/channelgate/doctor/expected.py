"""An event for the socket of doctor alone, made from what channelgate.toml says of groups and handlers."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from channelgate.doctor.handshakes import Try
from channelgate.nodefile import Consumer
from channelgate.typescript.parse import NotUnderstood, parse
from channelgate.typescript.tree import Called, Constant, Key, Listed, Name, Node, Table, walk

#: Keys of a handler beside which its frame goes to every member, and nothing else happens.
_PLAIN = frozenset({"send", "key"})
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\.(\w+)\s*\}\}")


@dataclasses.dataclass(frozen=True, slots=True)
class Expected:
    """An event, and the group of which the socket of doctor is the only member."""

    group: str
    event: Mapping[str, Any]


def expected(one: Try, user_id: str | None, marker: str) -> Expected | None:
    """The event; None if the consumer has no group of its own, or no handler that can be foreseen.

    `user_id` is a made-up user, or None for one of the project's.
    """
    values = {("route", name): value for name, value in one.route.items()}
    if user_id is not None:
        values["user", "id"] = user_id
    group = next(filter(None, (_alone(template, values) for template in one.consumer.groups)), None)
    if group is None:
        return None
    event = event_for(one.consumer, marker)
    return None if event is None else Expected(group, event)


def _alone(template: str, values: Mapping[tuple[str, str], str]) -> str | None:
    """The name of the group, if its values are known and one of them is made up."""
    found = _PLACEHOLDER.findall(template)
    if not found or not all(pair in values for pair in found):
        return None
    text = _PLACEHOLDER.sub(lambda match: values[match[1], match[2]], template)
    return None if "{{" in text or "{%" in text else text


def event_for(consumer: Consumer, marker: str) -> dict[str, Any] | None:
    """An event whose frame is known: it has the marker in it, and nothing else happens."""
    for handler, written in consumer.events.items():
        if not written.keys() <= _PLAIN or not isinstance(written.get("send"), str):
            continue
        # The node's name for every type; the event's own is then free.
        event: dict[str, Any] = {"type": "channelgate.doctor" if handler == "*" else handler}
        try:
            tree = parse(written["send"])
        except NotUnderstood:
            continue
        if not all(_put(event, node, marker) for node in walk(tree)):
            continue
        if tree == Name("event"):
            event["doctor"] = marker
        # Without the marker in it, a frame could be another's.
        if len(event) > 1:
            return event
    return None


def _put(event: dict[str, Any], node: Node, marker: str) -> bool:
    """Gives the event what this part of the expression needs; false if that cannot be foreseen."""
    match node:
        case Constant() | Table() | Listed():
            return True
        case Name():
            return node.name in ("event", "group", "route", "now")
        case Called(function=Name(name="now")):
            return True
        case Key():
            path: list[str] = []
            at: Node = node
            while isinstance(at, Key):
                if not isinstance(at.key, str):
                    return False
                path.insert(0, at.key)
                at = at.of
            if not isinstance(at, Name):
                return False
            return at.name == "route" or (at.name == "event" and _set(event, path, marker))
    return False


def _set(event: dict[str, Any], path: list[str], marker: str) -> bool:
    inner: Any = event
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            return False
    inner.setdefault(path[-1], marker)
    return True
