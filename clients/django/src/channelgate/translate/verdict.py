"""What becomes of a route: native, native with calls of Django, bridged, or it stays with Daphne; and why."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from channelgate.translate import auth, bridged, connect, handlers, messages, stays
from channelgate.translate.auth import Login
from channelgate.translate.connect import Admission
from channelgate.translate.handlers import Handled
from channelgate.translate.messages import Messages
from channelgate.translate.outcome import NATIVE, STAYS, Verdict, add_events, add_messages
from channelgate.translate.paths import Context, Problem
from channelgate.translate.people import People
from channelgate.translate.routes import Route
from channelgate.translate.source import Class
from channelgate.translate.values import Expr, NotUnderstood

#: Methods that replace the frame in which Channels runs a consumer.
_FRAME = frozenset(
    [
        "__call__",
        "dispatch",
        "websocket_connect",
        "websocket_receive",
        "websocket_disconnect",
        "encode_json",
        "decode_json",
        "__getattr__",
        "__getattribute__",
        "__setattr__",
        "channel_layer",
        "channel_name",
        "scope",
        "base_send",
    ]
)


#: Attributes that Channels gives a consumer: set by the project, they mean something else.
_OF_CHANNELS = frozenset(["scope", "channel_name", "channel_layer", "channel_layer_alias", "groups", "base_send"])
#: Methods of Channels that an event may name.
_SENT = frozenset(["accept", "close", "send", "send_json"])
#: Methods of Channels that a consumer may replace on itself.
_CALLED = frozenset(["connect", "disconnect", "receive", "receive_json", "accept", "close", "send", "send_json"])


def of_route(route: Route, people: People, sent: frozenset[str]) -> Verdict:
    """The verdict on one route."""
    login = auth.of_chain(route.chain)
    if route.cls is None or route.path is None:
        return Verdict(route, STAYS, [route.reason], login=login)
    reason = stays.reason(route.cls)
    if reason is not None:
        return Verdict(route, STAYS, [str(reason)], login=login)
    whole = login.between or _whole(route.cls)
    if whole is not None:
        return bridged.whole(route, login, [whole])
    context = Context(route.cls, route=dict(route.parameters), people=people.attributes, no_people=people.problem)
    context.user = {"absent": "absent", "session": "open", "unknown": "django"}[login.kind]
    try:
        return _translated(route, login, context, sent)
    except NotUnderstood as error:
        return bridged.whole(route, login, [f"{route.cls.place}: {error.reason}"])


def _whole(cls: Class) -> str | None:
    """Why nothing of the class can be taken out of Python."""
    for name in sorted(_FRAME & set(cls.own)):
        if name not in ("channel_layer", "channel_name", "scope"):
            return f"{cls.place}: {cls.label} has its own {name}"
    if getattr(cls.cls, "channel_layer_alias", "default") != "default":
        return f"{cls.place}: {cls.label} uses another channel layer"
    if cls.unread:
        return f"{cls.place}: the source of {cls.label}.{cls.unread[0]} cannot be read"
    if replaced := sorted(set(cls.stores) & (set(cls.methods) | _CALLED)):
        return f"{cls.place}: {cls.label} replaces its own {replaced[0]}()"
    if changed := sorted(_OF_CHANNELS & cls.assigned):
        return f"{cls.place}: {cls.label} sets its own {changed[0]}"
    if any(name == "__dict__" for name in cls.stores):
        return f"{cls.place}: {cls.label} changes its own __dict__"
    return None


def _translated(route: Route, login: Login, context: Context, sent: frozenset[str]) -> Verdict:
    reasons = _outside(route, login)
    reasons += [f"the project sends events of the type {name}, a method of Channels" for name in sorted(sent & _SENT)]
    admission = Admission(problems=[Problem(one, "", "") for one in reasons])
    if not reasons:
        admission = connect.translate(context)
    assert route.cls is not None
    names = handlers.types(route.cls, sent)
    if not admission.problems:
        native = dataclasses.replace(context, user=admission.user, attributes=admission.attributes)
        said = messages.translate(native)
        handled = [handlers.translate(native, name, admission.joined) for name in names]
        end = bridged.ending(native)
        python = [*said.problems.values(), *(one.problem for one in handled if one.problem), *end.problems]
        if not python:
            return _native(route, login, admission, said, handled, end.steps)
        reasons = [str(one) for one in python]
    else:
        reasons = [str(one) if one.place else one.reason for one in admission.problems]
    return bridged.partly(route, login, context, names, reasons)


def _outside(route: Route, login: Login) -> list[str]:
    """Reasons outside of the class why Django admits the clients."""
    found = []
    if login.kind == "unknown":
        found.append(login.reason)
    if route.initkwargs:
        found.append(f"as_asgi() has arguments: {', '.join(sorted(route.initkwargs))}")
    found += [f"the path of the node is wider: {one}" for one in route.wider]
    return found


def _native(
    route: Route,
    login: Login,
    admission: Admission,
    said: Messages,
    handled: Iterable[Handled],
    ending: list[dict[str, Any]],
) -> Verdict:
    verdict = Verdict(route, NATIVE, login=login, joined=list(admission.joined))
    table: dict[str, Any] = {"path": route.path}
    if admission.user != "absent":
        table["auth"] = ["django"] if admission.user == "required" else ["django", "anonymous"]
        if admission.user == "optional":
            table["invalid"] = "anonymous"
    if admission.groups:
        table["groups"] = admission.groups
    requires = list(admission.requires)
    _parameters(route, admission, table, requires)
    if admission.subprotocols:
        table["subprotocols"] = admission.subprotocols
    if admission.close is not None:
        table["reject"] = {"close": admission.close}
    steps = [{"require": one} for one in requires] + admission.refusals
    if steps:
        table["on_admit"] = steps
    if admission.on_connect:
        table["on_connect"] = admission.on_connect
    add_messages(table, said)
    if ending:
        table["on_disconnect"] = ending
    add_events(verdict, table, handled)
    verdict.table = table
    verdict.notes = list(dict.fromkeys([*route.notes, *admission.notes, *said.notes]))
    verdict.why = ["connect() checks who it is and joins groups; handlers pass events on"]
    return verdict


def _parameters(route: Route, admission: Admission, table: dict[str, Any], requires: list[str]) -> None:
    """What the route's regular expression refuses, and the converter does not."""
    patterns = []
    narrowed = set()
    for group in admission.joined:
        parts = group.parts or (group,)
        used = [one for one in parts if not one.is_known]
        digits = [one for one in used if one.kind == "digits"]
        if any("route" in one.sides or "query" in one.sides for one in used):
            patterns.append("".join(str(one.const) if one.is_known else f"<{_converter(one)}>" for one in parts))
        narrowed |= {one.text for one in digits}
    for parameter in route.typed:
        name = f"route.{parameter.name}"
        if parameter.kind == "word":
            requires.append(f"'-' not in {name}")
        elif parameter.kind == "digits" and name not in narrowed:
            requires.append(f"'-' not in {name} and {name} | int | string == {name}")
    if narrowed:
        table["allow"] = patterns if len(patterns) > 1 else patterns[0]


def _converter(expr: Expr) -> str:
    return {"int": "int", "digits": "int", "uuid": "uuid", "slug": "slug", "word": "slug"}.get(expr.kind, "str")
