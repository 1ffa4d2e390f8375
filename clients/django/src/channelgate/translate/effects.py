"""What a method does that others notice: accept, close, send, join and leave groups, publish."""

import ast
import dataclasses
import re
from typing import TYPE_CHECKING, Any

from channelgate.translate.expressions import constant, to_expr
from channelgate.translate.paths import Frame
from channelgate.translate.source import is_library
from channelgate.translate.values import DictV, Expr, NotUnderstood, Spread, Thing

if TYPE_CHECKING:
    from channelgate.translate.run import Run


_GROUP_TEXT = re.compile(r"[A-Za-z0-9_.-]*\Z")
#: Values that always make a name which Channels accepts, and each only one.
_SAFE = frozenset({"int", "uuid", "slug", "digits", "word"})


@dataclasses.dataclass(frozen=True, slots=True)
class Json:
    """The JSON text of a value."""

    of: Expr


def plain(expr: Expr, node: ast.AST) -> Expr:
    """A value that JSON and the channel layer write as Python does."""
    if not expr.is_plain:
        raise NotUnderstood("a UUID in JSON, which Python refuses", node)
    return expr


def group(expr: Expr, node: ast.AST) -> Expr:
    """A name of a group: text, with values between."""
    parts = expr.parts or (expr,)
    before_is_value = False
    for part in parts:
        if part.is_known:
            if not isinstance(part.const, str) or not _GROUP_TEXT.match(part.const):
                raise NotUnderstood("a name of a group that Channels refuses", node)
            before_is_value = False
            continue
        if before_is_value:
            raise NotUnderstood("two values side by side in the name of a group", node)
        if part.kind not in _SAFE | {"str", "any"}:
            raise NotUnderstood(f"a {part.kind} in the name of a group", node)
        before_is_value = True
    if not parts[0].is_known:
        raise NotUnderstood("the name of the group begins with a value, so it could be any group", node)
    if expr.kind != "str" or (len(parts) > 1 and not expr.parts):
        raise NotUnderstood("the name of a group", node)
    return expr


def template(expr: Expr) -> str:
    """The group's name as a template."""
    parts = expr.parts or (expr,)
    return "".join(str(one.const) if one.is_known else f"{{{{ {one.text} }}}}" for one in parts)


def unsafe(expr: Expr) -> list[Expr]:
    """The values in a group's name that may hold characters which Channels refuses."""
    return [one for one in expr.parts or (expr,) if not one.is_known and one.kind not in _SAFE]


def layer(run: "Run", name: str, given: list[Any], named: dict[str, Any], node: ast.Call, frame: "Frame") -> Any:
    """A method of the channel layer."""
    if name in ("group_add", "group_discard"):
        of, channel = _arguments(given, named, ("group", "channel"), node)
        if not isinstance(channel, Expr) or channel.text != "channel_name":
            raise NotUnderstood("the group of another connection", node)
        run.effect("join" if name == "group_add" else "leave", frame, node, group=group(to_expr(of, node), node))
        return constant(None)
    if name == "group_send":
        of, event = _arguments(given, named, ("group", "message"), node)
        if not isinstance(event, DictV) or not event.entries:
            raise NotUnderstood("an event whose type is not known", node)
        kind = event.find("type")
        if kind is None or isinstance(kind, Spread):
            raise NotUnderstood("an event whose type is not known", node)
        kind = to_expr(kind, node)
        if not isinstance(kind.const, str):
            raise NotUnderstood("an event whose type is made of values", node)
        expr = plain(to_expr(event, node), node)
        run.effect("publish", frame, node, expr, group(to_expr(of, node), node))
        return constant(None)
    raise NotUnderstood(f"channel_layer.{name}()", node)


def _arguments(given: list[Any], named: dict[str, Any], names: tuple[str, str], node: ast.AST) -> tuple[Any, Any]:
    values = dict(zip(names, given, strict=False)) | {key: one for key, one in named.items() if key in names}
    if len(values) != len(given) + len(named) or len(values) != 2:
        raise NotUnderstood("the arguments of the channel layer", node)
    return values[names[0]], values[names[1]]


def base(run: "Run", name: str, given: list[Any], named: dict[str, Any], node: ast.Call, frame: "Frame") -> Any:
    """A method of Channels' own classes."""
    match name:
        case "accept":
            return _accept(run, given, named, node, frame)
        case "connect":
            if run.context.cls.method("accept") is not None:
                raise NotUnderstood("connect() of Channels calls accept(), which is the consumer's own", node)
            run.effect("accept", frame, node)
            return constant(None)
        case "close":
            return _close(run, given, named, node, frame)
        case "send":
            return _send(run, given, named, node, frame)
        case "send_json":
            return _send_json(run, given, named, node, frame)
        case "disconnect" | "receive_json" | "__init__":
            return constant(None)
        case "receive" if not is_json(run):
            return constant(None)
        case "encode_json" if len(given) == 1 and not named:
            return Json(plain(to_expr(given[0], node), node))
    raise NotUnderstood(f"self.{name}()", node)


def is_json(run: "Run") -> bool:
    """Whether the consumer is one of Channels' JSON consumers."""
    return is_json_class(run.context.cls.cls)


def is_json_class(cls: type) -> bool:
    """Whether a class is one of Channels' JSON consumers."""
    return any(one.__name__ in JSON_CLASSES and is_library(one) for one in cls.__mro__)


JSON_CLASSES = ("AsyncJsonWebsocketConsumer", "JsonWebsocketConsumer")


def _accept(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call, frame: "Frame") -> Any:
    values = dict(zip(("subprotocol", "headers"), given, strict=False)) | named
    if set(values) - {"subprotocol"}:
        raise NotUnderstood("accept() with headers", node)
    subprotocol = to_expr(values["subprotocol"], node) if "subprotocol" in values else constant(None)
    if subprotocol.const is not None and not isinstance(subprotocol.const, str):
        raise NotUnderstood("a subprotocol that is not a constant", node)
    run.effect("accept", frame, node, None if subprotocol.const is None else subprotocol)
    return constant(None)


def _close(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call, frame: "Frame") -> Any:
    values = dict(zip(("code", "reason"), given, strict=False)) | named
    if set(values) - {"code", "reason"}:
        raise NotUnderstood("the arguments of close()", node)
    code = to_expr(values.get("code", constant(None)), node)
    if code.const is None or code.const is True:
        code = constant(1000)
    if code.is_known and (not isinstance(code.const, int) or not _is_legal(code.const)):
        raise NotUnderstood("a close code that may not be sent", node)
    run.effect("close", frame, node, code)
    return constant(None)


def _is_legal(code: int) -> bool:
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def _send(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call, frame: "Frame") -> Any:
    values = dict(zip(("text_data", "bytes_data", "close"), given, strict=False)) | named
    if set(values) - {"text_data", "bytes_data"}:
        raise NotUnderstood("send() that closes", node)
    values = {key: one for key, one in values.items() if not (isinstance(one, Expr) and one.const is None)}
    if len(values) != 1:
        raise NotUnderstood("send() of nothing, or of both", node)
    value = next(iter(values.values()))
    if isinstance(value, Json):
        run.effect("send", frame, node, value.of)
        return constant(None)
    if value is Thing.RAW_TEXT:
        raw = Expr("message", "str", sides=frozenset({"message"}))
        run.effect("send_raw", frame, node, raw)
        return constant(None)
    expr = to_expr(value, node)
    if "bytes_data" in values or expr.kind not in ("str", "any", "digits", "slug", "word"):
        raise NotUnderstood("send() of bytes", node)
    run.effect("send_text", frame, node, expr)
    return constant(None)


def _send_json(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call, frame: "Frame") -> Any:
    values = dict(zip(("content", "close"), given, strict=False)) | named
    if set(values) != {"content"}:
        raise NotUnderstood("send_json() that closes, or encodes in a way of its own", node)
    if run.context.cls.method("send") is not None:
        # Channels' send_json() calls send(), which is the consumer's own.
        raise NotUnderstood("send_json() of Channels calls send(), which is the consumer's own", node)
    run.effect("send", frame, node, plain(to_expr(values["content"], node), node))
    return constant(None)
