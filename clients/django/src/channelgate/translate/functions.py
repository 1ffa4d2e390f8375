"""Functions of Python, Django and Channels that the node has, too."""

import ast
import builtins
import datetime
import json
import time
import urllib.parse
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import QueryDict
from django.utils import timezone

from channelgate.translate import effects, things
from channelgate.translate.conditions import LOGIN, is_anonymous_class
from channelgate.translate.expressions import constant, in_text, joined, message, negated, spread, text_of, to_expr
from channelgate.translate.paths import Raised
from channelgate.translate.values import (
    COMPARE,
    CONCAT,
    FILTER,
    Clock,
    DictV,
    Expr,
    Known,
    ListV,
    NotUnderstood,
    Special,
    Spread,
    Thing,
    Unknown,
)

if TYPE_CHECKING:
    from channelgate.translate.run import Run


TEXTS = ("str", "digits", "slug", "word")


def identity(function: Any) -> Any:
    try:
        hash(function)
    except TypeError:
        return None
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, ModuleType):
        return (getattr(owner, "__name__", ""), getattr(function, "__name__", ""))
    return function


_Function = Callable[["Run", list[Any], dict[str, Any], ast.Call], Any]


def _dumps(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    for name in named:
        plain = {"ensure_ascii", "separators", "indent", "default"}
        if name == "cls" and isinstance(named[name], Known):
            if named[name].value.__name__ == "DjangoJSONEncoder":
                continue
            raise NotUnderstood("an encoder of the project", node)
        if name not in plain:
            raise NotUnderstood(f"json.dumps() with {name}", node)
    if len(given) != 1:
        raise NotUnderstood("json.dumps()", node)
    return effects.Json(effects.plain(to_expr(given[0], node), node))


def _loads(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    if given == [Thing.RAW_TEXT] and not named:
        is_json = Expr("message", "bool", sides=frozenset({"message"}), special=Special("json"))
        if not run.decide(is_json):
            raise Raised(json.JSONDecodeError, node)
        return message()
    if given and isinstance(given[0], Expr) and given[0].const is None:
        raise Raised(TypeError, node)
    raise NotUnderstood("json.loads() of something else than the message", node)


def _str(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    if len(given) == 1 and isinstance(given[0], Clock) and given[0].text:
        return Expr(f"now('{given[0].text}')", "str")
    if len(given) != 1:
        raise NotUnderstood("str()", node)
    return text_of([in_text(run, to_expr(given[0], node), node)])


def _int(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    one = to_expr(given[0], node) if len(given) == 1 else None
    if one is not None and one.is_known:
        return constant(int(one.const), node)
    if one is not None and one.kind == "int":
        return one
    if one is not None and one.kind == "digits":
        return joined([one], f"{one.within(FILTER)} | int", "int", FILTER)
    if one is not None and one.text == "now('timestamp')":
        return Expr("now('epoch')", "int")
    raise NotUnderstood("int() of what may be no number", node)


def _filter(name: str, kind: str) -> _Function:
    def function(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
        if len(given) != 1 or named:
            raise NotUnderstood(f"{name}()", node)
        if isinstance(given[0], ListV) and name == "length":
            return constant(len(given[0].items))
        one = to_expr(given[0], node)
        return run.evaluates(joined([one], f"{one.within(FILTER)} | {name}", kind, FILTER), node, TypeError)

    return function


def _extreme(name: str) -> _Function:
    def function(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
        items = given[0].items if len(given) == 1 and isinstance(given[0], ListV) else given
        exprs = [to_expr(one, node) for one in items]
        kinds = {one.kind for one in exprs}
        if len(exprs) < 2 or named or not (kinds == {"int"} or kinds <= set(TEXTS)):
            raise NotUnderstood(f"{name}() of values whose order is not known", node)
        kind = "int" if kinds == {"int"} else "str"
        return joined(exprs, f"{name}({', '.join(one.text for one in exprs)})", kind)

    return function


def _sorted(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    if len(given) == 1 and isinstance(given[0], ListV) and len(given[0].items) == 2 and not named:
        return ListV([_extreme(name)(run, list(given[0].items), {}, node) for name in ("min", "max")])
    raise NotUnderstood("sorted()", node)


def _list(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    if len(given) == 1 and isinstance(given[0], ListV):
        return ListV(list(given[0].items))
    if not given and not named:
        return ListV([])
    raise NotUnderstood("list()", node)


def _dict(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    if given == [] or (len(given) == 1 and isinstance(given[0], DictV)):
        made = given[0].copy() if given else DictV()
        for key, one in named.items():
            made.set(key, one)
        return made
    if len(given) == 1 and isinstance(given[0], Expr) and not named:
        return DictV([Spread(spread(run, given[0]))])
    raise NotUnderstood("dict()", node)


def _isinstance(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    of, kind = given
    if of is Thing.USER:
        if is_anonymous_class(kind):
            return negated(LOGIN)
        raise NotUnderstood("isinstance() of the user", node)
    tests = {str: "string", dict: "mapping"}
    if isinstance(kind, Known) and kind.value in tests:
        one = to_expr(of, node)
        word = tests[kind.value]
        inside = one.within(CONCAT)
        no = (f"{inside} is not {word}", COMPARE)
        return joined([one], f"{inside} is {word}", "bool", COMPARE, negative=no)
    raise NotUnderstood("isinstance()", node)


def _hasattr(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    of, name = given[0], to_expr(given[1], node).const
    if of is Thing.SELF and isinstance(name, str):
        if name in run.path.attributes:
            if isinstance(run.path.attributes[name], Unknown):
                raise NotUnderstood(f"whether self.{name} is set", node)
            return constant(True)
        if name not in run.context.cls.stores and run.context.cls.find(name) is None:
            return constant(False)
        if run.context.cls.find(name) is not None:
            return constant(True)
    if of is Thing.USER and isinstance(name, str) and name in run.context.people:
        return constant(True)
    raise NotUnderstood("hasattr()", node)


def _getattr(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    name = to_expr(given[1], node).const
    if not isinstance(name, str):
        raise NotUnderstood("getattr() with a name that is made", node)
    is_unset = name not in run.path.attributes and name not in run.context.cls.stores
    if given[0] is Thing.SELF and len(given) == 3 and is_unset and run.context.cls.find(name) is None:
        return given[2]
    if not isinstance(given[0], Thing):
        raise NotUnderstood("getattr() of an object", node)
    return things.member(run, given[0], name, node)


def _layer(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    if given or named:
        raise NotUnderstood("another channel layer", node)
    return Thing.LAYER


def _parse_qs(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    if given == [Thing.QUERY_STRING] and not named:
        return Thing.QUERY_LISTS
    raise NotUnderstood("parse_qs()", node)


def _query_dict(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    if given == [Thing.QUERY_STRING] and not named:
        return Thing.QUERY_LAST
    raise NotUnderstood("QueryDict()", node)


def _now(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    zone = given[0].value if given and isinstance(given[0], Known) else named.get("tz")
    zone = zone.value if isinstance(zone, Known) else zone
    if zone is datetime.timezone.utc or (zone is None and not given and node_is(node, "timezone") and settings.USE_TZ):
        return Clock("isoformat", "str", "timestamp")
    if zone is None and not given and not named and settings.TIME_ZONE == "UTC":
        return Clock("isoformat_naive", "str_naive", "timestamp")
    raise NotUnderstood("a time of a zone", node)


def node_is(node: ast.Call, name: str) -> bool:
    """Whether it is a call of `django.utils.timezone.now`, by the only way in which it differs."""
    return not (isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value).endswith("datetime"))


def _utcnow(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    return Clock("isoformat_naive", "str_naive", None)


def _time(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    return Expr("now('timestamp')", "number")


def _same(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    if len(given) != 1:
        raise NotUnderstood("a call", node)
    return given[0]


def _channels(name: str, module: str) -> Any:
    try:
        return getattr(__import__(module, fromlist=[name]), name)
    except ImportError:
        return object()


FUNCTIONS: dict[Any, _Function] = {
    json.dumps: _dumps,
    json.loads: _loads,
    builtins.str: _str,
    builtins.int: _int,
    builtins.len: _filter("length", "int"),
    builtins.min: _extreme("min"),
    builtins.max: _extreme("max"),
    builtins.sorted: _sorted,
    builtins.list: _list,
    builtins.tuple: _list,
    builtins.dict: _dict,
    builtins.isinstance: _isinstance,
    builtins.hasattr: _hasattr,
    builtins.getattr: _getattr,
    urllib.parse.parse_qs: _parse_qs,
    QueryDict: _query_dict,
    timezone.now: _now,
    ("datetime", "now"): _now,
    ("datetime", "utcnow"): _utcnow,
    time.time: _time,
    _channels("get_channel_layer", "channels.layers"): _layer,
}
