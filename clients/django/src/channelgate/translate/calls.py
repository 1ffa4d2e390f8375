"""Calls in a method: of the consumer itself, of functions of the project, of what Python and Django bring."""

import ast
import builtins
import datetime
import hashlib
import json
import time
import urllib.parse
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import QueryDict
from django.utils import timezone

from channelgate.translate import effects, things
from channelgate.translate.source import is_library, is_of_project, of_function, raw_function
from channelgate.translate.values import (
    ATOM,
    CONCAT,
    FILTER,
    NOTHING,
    Bound,
    Clock,
    DictV,
    Expr,
    Known,
    ListV,
    NotUnderstood,
    QueryValues,
    Special,
    Spread,
    Thing,
    Unknown,
    attribute,
    constant,
    from_python,
    joined,
    text_of,
    to_expr,
)

if TYPE_CHECKING:
    from channelgate.translate.paths import Frame
    from channelgate.translate.run import Run

#: Methods of text, with how many arguments, that the node has with the same meaning.
_TEXT_METHODS = {"upper": (0,), "lower": (0,), "strip": (0,), "startswith": (1,), "endswith": (1,), "replace": (2,)}
_TEXTS = ("str", "digits", "slug", "word")


def call(run: "Run", node: ast.Call, frame: "Frame") -> Any:
    """The value of a call; its effects are noted."""
    if isinstance(node.func, ast.Attribute) and _is_super(node.func.value) and node.func.attr == "__init__":
        return constant(None)
    if any(isinstance(one, ast.Starred) for one in node.args) or any(one.arg is None for one in node.keywords):
        raise NotUnderstood("arguments that are spread", node)
    if isinstance(node.func, ast.Attribute) and _is_super(node.func.value):
        target: Any = Bound(Thing.SELF, node.func.attr, after=frame.source.owner)
    else:
        target = run.value(node.func, frame)
    if isinstance(target, Known) and _is_wrapper(target.value) and len(node.args) == 1:
        return run.value(node.args[0], frame)
    if isinstance(target, Known) and isinstance(target.value, FunctionType) and _reads_other(target.value):
        raise NotUnderstood(_reason(target.value, node), node)
    arguments = [run.value(one, frame) for one in node.args]
    named = {one.arg: run.value(one.value, frame) for one in node.keywords if one.arg}
    match target:
        case Bound(of=Thing.SELF):
            return of_self(run, target, arguments, named, node, frame)
        case Bound(of=Thing.LAYER):
            return effects.layer(run, target.name, arguments, named, node, frame)
        case Bound(of=Thing.RAW_TEXT):
            raise NotUnderstood(f"{target.name}() of the text of the message", node)
        case Bound(of=Thing() | QueryValues()):
            return things.method(run, target, arguments, named, node)
        case Bound(of=Clock()):
            return things.clock(target.of, target.name, node)
        case Bound(of=DictV()):
            return _of_dict(run, target.of, target.name, arguments, node)
        case Bound(of=Expr()):
            return _of_expr(run, target.of, target.name, arguments, node)
        case Known():
            return _of_python(run, target.value, arguments, named, node, frame)
    raise NotUnderstood(f"{ast.unparse(node.func)}()", node)


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _is_wrapper(value: Any) -> bool:
    """`async_to_sync`, which changes how a function is called, and not what it does."""
    return getattr(value, "__name__", "") in ("async_to_sync", "AsyncToSync") and "asgiref" in getattr(
        value, "__module__", ""
    )


def _reads_other(function: FunctionType) -> bool:
    return (function.__module__ or "").startswith(("django.db", "channels.db"))


def of_self(
    run: "Run", target: Bound, arguments: list[Any], named: dict[str, Any], node: ast.Call, frame: "Frame"
) -> Any:
    """A method of the consumer: the project's own is run, one of Channels has its effect."""
    cls = run.context.cls
    found = cls.find(target.name, target.after)
    if found is None or is_library(found[0]):
        return effects.base(run, target.name, arguments, named, node, frame)
    owner, member = found
    function = raw_function(member)
    if function is not member and not isinstance(member, staticmethod | classmethod):
        raise NotUnderstood(f"self.{target.name}() runs in Python: it has {type(member).__name__}", node)
    source = cls.method(target.name, target.after)
    if source is None:
        raise NotUnderstood(f"self.{target.name}()", node)
    first = {} if source.is_static else {"self": Thing.SELF}
    return run.function(source, {**first, **bind(run, source, arguments, named, node, frame)}, frame.depth + 1)


def bind(
    run: "Run", source: Any, arguments: list[Any], named: dict[str, Any], node: ast.AST, frame: "Frame"
) -> dict[str, Any]:
    """The arguments of a function of the project, by name."""
    spec = source.tree.args
    names = source.parameters
    if len(arguments) > len(names):
        raise NotUnderstood(f"the arguments of {source.name}()", node)
    bound = dict(zip(names, arguments, strict=False)) | {
        key: one for key, one in named.items() if key in names or key in [one.arg for one in spec.kwonlyargs]
    }
    if set(named) - set(bound):
        raise NotUnderstood(f"the arguments of {source.name}()", node)
    defaults = dict(zip(names[len(names) - len(spec.defaults) :], spec.defaults, strict=False))
    defaults |= {one.arg: value for one, value in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if value}
    for name, default in defaults.items():
        if name not in bound:
            bound[name] = run.value(default, frame)
    if missing := [name for name in names if name not in bound]:
        raise NotUnderstood(f"{source.name}() is called without {missing[0]}", node)
    return bound


def _of_dict(run: "Run", base: DictV, name: str, arguments: list[Any], node: ast.AST) -> Any:
    from channelgate.translate import conditions, names

    if name == "copy" and not arguments:
        return base.copy()
    if name == "update" and len(arguments) == 1:
        other = arguments[0]
        if not isinstance(other, DictV):
            base.entries.append(Spread(names.spread(run, to_expr(other, node))))
            return constant(None)
        for entry in other.copy().entries:
            if isinstance(entry, Spread):
                base.entries.append(entry)
            else:
                base.set(*entry)
        return constant(None)
    if name not in ("get", "pop", "setdefault") or not arguments:
        return _of_expr(run, to_expr(base, node), name, arguments, node)
    key = to_expr(arguments[0], node)
    default = arguments[1] if len(arguments) > 1 else constant(None)
    if not isinstance(key.const, str):
        if name == "get" and key.key and not any(isinstance(entry, Spread) for entry in base.entries):
            for text, one in base.entries:
                if run.decide(conditions._equal(run, key, constant(text), node)):
                    return one
            return default
        raise NotUnderstood(f"{name}() with a key that is not a constant", node)
    found = base.find(key.const)
    if name == "setdefault":
        raise NotUnderstood("setdefault()", node)
    if name == "pop":
        result = found if len(arguments) == 1 and found is not None else _got(run, base, key.const, default, node)
        if isinstance(found, Spread) and len(arguments) == 1:
            run.may_fail(KeyError, node)
            result = names.keyed(attribute(found.of, key.const), found.of, key.const)
        base.remove(key.const)
        return result
    return _got(run, base, key.const, default, node)


def _got(run: "Run", base: DictV, key: str, default: Any, node: ast.AST) -> Any:
    """`base.get(key, default)`."""
    from channelgate.translate import names

    found = base.find(key)
    if found is None:
        return default
    if not isinstance(found, Spread):
        return found
    of = found.of if len(base.entries) == 1 or base.is_event else to_expr(base, node)
    if isinstance(default, Expr) and default.const is None:
        return names.keyed(
            Expr(f"{of.within(ATOM)}.get({to_expr(constant(key)).text})", "any", ATOM, of.sides), of, key
        )
    other = to_expr(default, node)
    return joined([of, other], f"{of.within(ATOM)}.get({to_expr(constant(key)).text}, {other.text})")


def _of_expr(run: "Run", base: Expr, name: str, arguments: list[Any], node: ast.AST) -> Any:
    """A method of text, of an object of the event, or of a constant."""
    given = [to_expr(one, node) for one in arguments]
    if base.is_known and all(one.is_known for one in given) and isinstance(base.const, str):
        if name == "format":
            return constant(base.const.format(*[one.const for one in given]), node)
        return from_python(getattr(base.const, name)(*[one.const for one in given]), node)
    if name == "format" and base.is_known:
        return formatted(run, base.const, given, {}, node)
    inside = base.within(ATOM)
    listed = ", ".join(one.text for one in given)
    if name == "get" and len(given) in (1, 2):
        return joined([base, *given], f"{inside}.get({listed})")
    if name in _TEXT_METHODS and len(given) in _TEXT_METHODS[name]:
        kind = "bool" if name in ("startswith", "endswith") else "str"
        return joined([base, *given], f"{inside}.{name}({listed})", kind)
    if name == "split" and len(given) <= 1:
        return joined([base, *given], f"{inside}.split({listed})", "list")
    if name in ("keys", "values") and not given:
        return joined([base], f"{inside}.{name}()", "list")
    if name == "join" and isinstance(base.const, str) and len(given) == 1:
        raise NotUnderstood("join(), whose items are text in Python", node)
    if name == "copy" and not given and base.kind in ("any", "dict"):
        return DictV([Spread(base)])
    raise NotUnderstood(f".{name}()", node)


def formatted(run: "Run", text: str, given: list[Expr], named: dict[str, Expr], node: ast.AST) -> Expr:
    """`"{} {name}".format(…)`."""
    import string

    from channelgate.translate.names import _in_text

    parts: list[Expr] = []
    automatic = 0
    for literal, field, spec, conversion in string.Formatter().parse(text):
        parts.append(constant(literal))
        if field is None:
            continue
        if spec or conversion not in (None, "s"):
            raise NotUnderstood("a format", node)
        if field == "":
            field, automatic = str(automatic), automatic + 1
        one = given[int(field)] if field.isdigit() and int(field) < len(given) else named.get(field)
        if one is None:
            raise NotUnderstood("a format", node)
        parts.append(_in_text(run, one, node))
    return text_of(parts)


def percent(run: "Run", text: str, right: Any, node: ast.AST) -> Expr:
    """`"… %s …" % values`."""
    import re

    from channelgate.translate.names import _in_text

    values = right.items if isinstance(right, ListV) else [right]
    parts: list[Expr] = []
    index = 0
    for piece in re.split(r"(%[a-zA-Z%])", text):
        if piece == "%%":
            parts.append(constant("%"))
        elif re.fullmatch(r"%[a-zA-Z]", piece):
            if index >= len(values):
                raise NotUnderstood("the values of %", node)
            one = _in_text(run, to_expr(values[index], node), node)
            index += 1
            if piece != "%s" and not (piece == "%d" and one.kind == "int"):
                raise NotUnderstood(f"the format {piece}", node)
            parts.append(one)
        elif "%" in piece:
            raise NotUnderstood("a format of %", node)
        else:
            parts.append(constant(piece))
    if index != len(values):
        raise NotUnderstood("the values of %", node)
    return text_of(parts)


def _of_python(
    run: "Run", function: Any, arguments: list[Any], named: dict[str, Any], node: ast.Call, frame: "Frame"
) -> Any:
    known = _FUNCTIONS.get(_name(function))
    if known is not None:
        return known(run, arguments, named, node)
    if isinstance(function, FunctionType) and is_of_project(function):
        source = of_function(function)
        bound = bind(run, source, arguments, named, node, frame)
        return run.function(source, bound, frame.depth + 1)
    if isinstance(function, type) and issubclass(function, BaseException):
        return Known(function)
    if isinstance(function, type) and function.__name__ == "AnonymousUser":
        return Known(function)
    raise NotUnderstood(_reason(function, node), node)


def _reason(function: Any, node: ast.Call) -> str:
    module = getattr(function, "__module__", "") or type(function).__module__
    name = ast.unparse(node.func)
    if module.startswith(("django.db", "channels.db")) or "objects" in name:
        return f"{name}() asks the database"
    return f"{name}() runs in Python"


def _name(function: Any) -> Any:
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
    from channelgate.translate.paths import Raised
    from channelgate.translate.run import message

    if given == [Thing.RAW_TEXT] and not named:
        is_json = Expr("message", "bool", sides=frozenset({"message"}), special=Special("json"))
        if not run.decide(is_json):
            raise Raised(json.JSONDecodeError, node)
        return message()
    if given and isinstance(given[0], Expr) and given[0].const is None:
        raise Raised(TypeError, node)
    raise NotUnderstood("json.loads() of something else than the message", node)


def _str(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    from channelgate.translate.names import _in_text

    if len(given) == 1 and isinstance(given[0], Clock) and given[0].text:
        return Expr(f"now('{given[0].text}')", "str")
    if len(given) != 1:
        raise NotUnderstood("str()", node)
    return text_of([_in_text(run, to_expr(given[0], node), node)])


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
        return joined([one], f"{one.within(FILTER)} | {name}", kind, FILTER)

    return function


def _extreme(name: str) -> _Function:
    def function(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
        items = given[0].items if len(given) == 1 and isinstance(given[0], ListV) else given
        exprs = [to_expr(one, node) for one in items]
        kinds = {one.kind for one in exprs}
        if len(exprs) < 2 or named or not (kinds == {"int"} or kinds <= set(_TEXTS)):
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
        from channelgate.translate.names import spread

        return DictV([Spread(spread(run, given[0]))])
    raise NotUnderstood("dict()", node)


def _isinstance(run: "Run", given: list[Any], named: dict[str, Any], node: ast.Call) -> Any:
    from channelgate.translate.conditions import LOGIN, is_anonymous_class
    from channelgate.translate.values import COMPARE, negated

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
    from channelgate.translate.names import member

    name = to_expr(given[1], node).const
    if not isinstance(name, str):
        raise NotUnderstood("getattr() with a name that is made", node)
    if given[0] is Thing.SELF and name not in run.path.attributes and len(given) == 3:
        if name not in run.context.cls.stores and run.context.cls.find(name) is None:
            return given[2]
    return member(run, given[0], name, node)


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


_FUNCTIONS: dict[Any, _Function] = {
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

__all__ = ["NOTHING", "attribute", "call", "hashlib"]
