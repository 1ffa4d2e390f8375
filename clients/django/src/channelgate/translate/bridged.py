"""Consumers of which a part stays in Python: what the node does beside Django."""

import ast
import dataclasses
from typing import Any

from channelgate.translate import attributes, connect, handlers, literals, messages, steps
from channelgate.translate.auth import Login
from channelgate.translate.explore import explore
from channelgate.translate.messages import Messages
from channelgate.translate.outcome import BRIDGED, CALLS, Verdict, add_events, add_messages
from channelgate.translate.paths import Context, Problem
from channelgate.translate.routes import Route
from channelgate.translate.source import Source
from channelgate.translate.values import Expr, NotUnderstood, Thing, Unknown


@dataclasses.dataclass(slots=True)
class Ending:
    """What becomes of `disconnect()`."""

    steps: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)


def ending(context: Context) -> Ending:
    """`disconnect()` as `on_disconnect`: leaving groups needs nothing."""
    found = Ending()
    try:
        source = context.cls.method("disconnect")
    except NotUnderstood as error:
        found.problems.append(Problem(error.reason, context.cls.methods["disconnect"].place(), "def disconnect"))
        return found
    if source is None:
        return found
    known = dataclasses.replace(context, may_set=True)
    given = {name: Unknown("the close code") for name in source.parameters[:1]}
    try:
        paths = explore(known, source, given)
        for path in paths:
            if path.end == "python":
                found.problems.append(path.problems[0])
                return found
        shapes: dict[str, Any] = {}
        for path in paths:
            kept = [effect for effect in path.effects if effect.what == "publish"]
            if any(effect.what == "join" for effect in path.effects):
                raise NotUnderstood("it joins a group")
            if kept:
                shapes.setdefault(repr([(one.group, one.value) for one in kept]), kept)
        for shape, kept in shapes.items():

            def same(path: Any, shape: str = shape) -> bool:
                now = [effect for effect in path.effects if effect.what == "publish"]
                return repr([(one.group, one.value) for one in now]) == shape

            condition = literals.when(paths, same, True)
            found.steps += steps.steps(kept, condition.text if condition else None)
    except NotUnderstood as error:
        found.problems.append(Problem(error.reason, source.place(), "def disconnect"))
    return found


def is_quiet(context: Context) -> bool:
    """Whether `disconnect()` only leaves groups, as far as its source says, in whatever state the consumer is."""
    source = context.cls.methods.get("disconnect")
    if source is None:
        return True
    if source.decorators:
        return False
    found = ending(context)
    return (not found.problems and not found.steps) or _only_discards(source)


def _only_discards(source: Source) -> bool:
    """Whether every call of the method is `group_discard`, a log, or asks for an attribute."""
    harmless = {"group_discard", "hasattr", "getattr", "async_to_sync", "super", "disconnect", "print", "str", "list"}
    for node in source.nodes:
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if isinstance(node.func, ast.Call):
                continue
            of = node.func.value if isinstance(node.func, ast.Attribute) else None
            is_log = isinstance(of, ast.Name) and of.id.lower().strip("_") in ("log", "logger", "logging")
            if name not in harmless and not is_log:
                return False
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.Raise | ast.For | ast.While | ast.With | ast.AsyncWith):
            return False
    return True


def whole(route: Route, login: Login, why: list[str]) -> Verdict:
    """The whole class stays in Python."""
    return Verdict(route, BRIDGED, why, table={"path": route.path, "django": True}, login=login)


def partly(route: Route, login: Login, context: Context, names: list[str], why: list[str]) -> Verdict:
    """`connect()` stays in Python, and what else needs it."""
    known = dataclasses.replace(context, user="django" if login.kind != "absent" else "absent")
    known.attributes = _attributes(known)
    said = _messages(known)
    handled = [handlers.translate(known, name, None) for name in names]
    parts = ["connect"]
    if said.method and not said.is_native:
        parts.append("receive")
    if not is_quiet(known):
        parts.append("disconnect")
    is_all = len(parts) == 3 and not any(one.keys for one in handled) and not said.on_message and not said.on_raw
    table: dict[str, Any] = {"path": route.path, "django": True if is_all else parts}
    add_messages(table, said)
    python = [one for one in handled if one.problem]
    verdict = Verdict(route, BRIDGED if python or is_all else CALLS, list(dict.fromkeys(why)), login=login)
    add_events(verdict, table, handled)
    verdict.table = table
    verdict.notes = list(dict.fromkeys([*route.notes, *said.notes]))
    return verdict


def _attributes(context: Context) -> dict[str, Any]:
    """Attributes of which one statement of `connect()` says the value, wherever else it goes."""
    try:
        paths = connect.paths_of(context, context.user)
    except NotUnderstood:
        return {}
    stale = attributes.stale_attributes(context.cls)
    found: dict[str, Any] = {}
    for name in {name for path in paths for name in path.attributes}:
        values = {repr(path.attributes[name]): path.attributes[name] for path in paths if name in path.attributes}
        value = next(iter(values.values()))
        once = context.cls.times_stored[name] == 1 and len(values) == 1 and name not in stale
        if once and (value is Thing.USER or isinstance(value, Expr | Thing)):
            found[name] = value
        else:
            found[name] = Unknown(f"self.{name}, which is set in Python")
    return found


def _messages(context: Context) -> Messages:
    """What of the messages the node handles beside Django: each whole value of the key that needs no Python."""
    said = messages.translate(context)
    if said.is_native:
        return said
    kept = Messages(said.method, said.key, problems=said.problems)
    if "" in said.problems:
        return kept
    kept.on_raw = {text: made for text, made in said.on_raw.items() if text != messages.OTHERS}
    kept.on_message = {
        value: made
        for value, made in said.on_message.items()
        if value != messages.OTHERS and value not in said.problems
    }
    if kept.on_message:
        kept.on_failed = said.on_failed
    kept.notes = said.notes
    return kept
