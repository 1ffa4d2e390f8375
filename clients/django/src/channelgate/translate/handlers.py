"""Handlers of group events as `on_event`."""

import dataclasses
import inspect
import re
from collections.abc import Sequence
from typing import Any

from channelgate.translate import effects, literals, sharing
from channelgate.translate.explore import explore
from channelgate.translate.expressions import combined_sides, event
from channelgate.translate.paths import Context, Effect, Path, Problem
from channelgate.translate.source import Class, Source
from channelgate.translate.values import CONNECTION, Expr, NotUnderstood

#: Methods that Channels calls itself, or that consumers call: no types of events.
_NOT_TYPES = frozenset(
    [
        "connect",
        "disconnect",
        "receive",
        "receive_json",
        "accept",
        "close",
        "send",
        "send_json",
        "encode_json",
        "decode_json",
        "dispatch",
        "as_asgi",
        "websocket_connect",
        "websocket_receive",
        "websocket_disconnect",
        "http_request",
        "http_disconnect",
    ]
)
_OF_CONNECTION = re.compile(r"\b(?:user|route|query|vars)\.\w+")
_SENDS = ("send", "send_text")


@dataclasses.dataclass(slots=True)
class Handled:
    """What becomes of the handler of one type of event."""

    name: str
    #: The keys of `on_event`; None if it stays in Python.
    keys: dict[str, Any] | None = None
    problem: Problem | None = None
    notes: list[str] = dataclasses.field(default_factory=list)
    #: "event", "user" or "room": who may share a call of the method.
    per: str = ""


def types(cls: Class, sent: frozenset[str]) -> list[str]:
    """The methods that handle events. `sent` has the types that the project sends, as its source says."""
    called = {name for source in cls.methods.values() for name in source.asked - {source.name}}
    found = []
    for name, source in cls.methods.items():
        if name.startswith("_") or name in _NOT_TYPES or not _takes_event(source):
            continue
        member = inspect.getattr_static(cls.cls, name)
        # A function that a decorator of asgiref has made is there for the consumer's own calls.
        is_plain = not type(member).__module__.startswith(("asgiref", "channels"))
        if name in sent or (is_plain and name not in called):
            found.append(name)
    return found


def _takes_event(source: Source) -> bool:
    arguments = source.tree.args
    needed = len(source.parameters) - len(arguments.defaults)
    return len(source.parameters) >= 1 and needed <= 1 and not any(one is None for one in arguments.kw_defaults)


def translate(context: Context, name: str, joined: Sequence[Expr] | None) -> Handled:
    """One handler. `joined` are the consumer's groups, None if only Python knows them."""
    source = context.cls.methods[name]
    handled = Handled(name)
    try:
        if context.cls.method(name) is None:
            raise NotUnderstood("it is not a method")
        paths = explore(context, source, {source.parameters[0]: event()})
        for path in paths:
            if path.end == "python":
                handled.problem = path.problems[0]
                break
            if path.end == "raise":
                raise NotUnderstood("it raises an exception, which ends the connection")
        else:
            handled.keys = _keys(paths, joined)
            handled.notes = [note for path in paths for note in path.notes]
    except NotUnderstood as error:
        handled.problem = Problem(error.reason, source.place(), f"def {name}")
    if handled.problem:
        handled.keys = None
        handled.per = sharing.per(context.cls, source)
    return handled


def _keys(paths: list[Path], joined: Sequence[Expr] | None) -> dict[str, Any]:
    shapes = {literals.shape(path): path for path in paths if path.effects}
    if not shapes:
        return {}
    for path in shapes.values():
        _check(path, joined)
    if len(shapes) == 1:
        (path,) = shapes.values()
        condition = literals.when(paths, lambda one: bool(one.effects), True)
        return {**_when(condition), **_frames(path), **_outcomes(path)}
    if any(effect.what not in _SENDS for path in paths for effect in path.effects):
        raise NotUnderstood("what it does beside sending depends on a condition")
    if any(effect.what == "send_text" for path in paths for effect in path.effects):
        raise NotUnderstood("whether it sends text depends on a condition")
    emits = []
    for shape, path in shapes.items():
        condition = literals.when(paths, literals.does(shape), True)
        for effect in path.effects:
            emits.append({"send": _text(effect), **_when(condition)})
    return {"emit": emits}


def _when(condition: Expr | None) -> dict[str, str]:
    if condition is None:
        return {}
    if not condition.divisible:
        raise NotUnderstood(f"{condition.text} mixes the event and the connection")
    return {"when": condition.text}


def _text(effect: Effect) -> str:
    assert effect.value is not None
    return effect.value.text


def _check(path: Path, joined: Sequence[Expr] | None) -> None:
    """Refuses what a node cannot do, or not as well."""
    kinds = [effect.what for effect in path.effects]
    if wrong := set(kinds) - {"send", "send_text", "close", "join", "leave"}:
        raise NotUnderstood("it publishes another event" if "publish" in wrong else f"it does {wrong.pop()}")
    if "close" in kinds and kinds.index("close") != len(kinds) - 1:
        raise NotUnderstood("it does something after close()")
    texts = [index for index, kind in enumerate(kinds) if kind == "send_text"]
    if len(texts) > 1 or (texts and "send" in kinds[texts[0] :]):
        raise NotUnderstood("it sends text before JSON")
    groups = {"join": set(), "leave": set()}  # type: dict[str, set[str]]
    for effect in path.effects:
        if effect.group is not None:
            groups[effect.what].add(effect.group.text)
    if groups["join"] & groups["leave"]:
        raise NotUnderstood("it joins and leaves the same group")
    order = [kind for kind in kinds if kind in ("join", "leave")]
    if order != sorted(order, reverse=True):
        raise NotUnderstood("it joins a group before it leaves another")
    for effect in path.effects:
        if effect.what in _SENDS and effect.value is not None:
            _shared(effect.value, joined)


def _shared(frame: Expr, joined: Sequence[Expr] | None) -> None:
    """A frame that differs between the members of a group has at most 64 forms: only what they have in common."""
    own = combined_sides(frame) & CONNECTION
    if not own:
        return
    if own & {"channel_name", "id"}:
        raise NotUnderstood("the frame has the name of the channel, which differs for each connection")
    if joined is None:
        raise NotUnderstood("the frame differs between connections")
    for name in _OF_CONNECTION.findall(frame.text):
        if not all(name in _OF_CONNECTION.findall(group.text) for group in joined):
            raise NotUnderstood(f"the frame has {name}, which differs between the members of a group")


def _frames(path: Path) -> dict[str, Any]:
    sends = [_text(effect) for effect in path.effects if effect.what == "send"]
    texts = [_text(effect) for effect in path.effects if effect.what == "send_text"]
    found: dict[str, Any] = {}
    if sends:
        found["send"] = sends if len(sends) > 1 else sends[0]
    if texts:
        found["send_text"] = texts[0]
    return found


def _outcomes(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for effect in path.effects:
        if effect.what in ("join", "leave") and effect.group is not None:
            names = found.setdefault(effect.what, [])
            names.append(effects.template(effect.group))
        elif effect.what == "close" and effect.value is not None:
            found["close"] = effect.value.const if effect.value.is_known else effect.value.text
    for key in ("leave", "join"):
        if key in found and len(found[key]) == 1:
            found[key] = found[key][0]
    order = ["leave", "join", "close"]
    return {key: found[key] for key in order if key in found}
