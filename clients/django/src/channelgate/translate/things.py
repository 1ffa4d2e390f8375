"""What a consumer asks of itself and of its connection: attributes of `self`, the scope, the user, the query."""

import ast
import enum
import importlib
from typing import TYPE_CHECKING, Any

from channelgate.translate import changing, modules
from channelgate.translate.conditions import LOGIN
from channelgate.translate.expressions import attribute, constant, joined, negated, to_expr
from channelgate.translate.paths import Raised
from channelgate.translate.source import SECRET, raw_function
from channelgate.translate.values import (
    ATOM,
    COMPARE,
    FILTER,
    NOTHING,
    Bound,
    Clock,
    Expr,
    Known,
    ListV,
    NotUnderstood,
    QueryValues,
    Thing,
    Unknown,
)

if TYPE_CHECKING:
    from channelgate.translate.run import Run


CHANNEL_NAME = Expr("channel_name", "str", sides=frozenset({"channel_name"}))
_QUERY = frozenset({"query"})
#: The attributes that `AnonymousUser` has as well.
_OF_ANONYMOUS = frozenset({"id", "pk", "username", "is_staff", "is_active", "is_superuser"})


def member(run: "Run", base: Thing, name: str, node: ast.AST) -> Any:
    """`base.name` of a part of the connection."""
    match base:
        case Thing.SELF:
            return of_self(run, name, node)
        case Thing.USER:
            return of_user(run, name, node)
        case Thing.RAW_TEXT | Thing.RAW_BYTES if name in ("decode", "strip"):
            return Bound(base, name)
        case Thing.SCOPE | Thing.URL_ROUTE | Thing.KWARGS | Thing.LAYER | Thing.QUERY_STRING:
            return Bound(base, name)
        case Thing.QUERY_LISTS | Thing.QUERY_LAST:
            return Bound(base, name)
    raise NotUnderstood(f"{name} of {base.value}", node)


def of_self(run: "Run", name: str, node: ast.AST) -> Any:
    """`self.name`."""
    if name.startswith("__") and not name.endswith("__"):
        raise NotUnderstood(f"self.{name} is another attribute in each class", node)
    if name == "scope":
        return Thing.SCOPE
    if name == "channel_layer":
        return Thing.LAYER
    if name == "channel_name":
        return CHANNEL_NAME
    if run.context.cls.open_to and run.context.cls.find(name) is None:
        raise NotUnderstood(f"self.{name}, which {run.context.cls.open_to}() may set", node)
    if name in run.path.attributes:
        found = run.path.attributes[name]
        if isinstance(found, Unknown):
            raise NotUnderstood(found.reason, node)
        return found
    stored = run.context.cls.stores.get(name)
    if stored:
        raise NotUnderstood(f"self.{name}, which {', '.join(sorted(stored))}() may set", node)
    found = run.context.cls.find(name)
    if found is None:
        raise NotUnderstood(f"self.{name}, which nothing sets", node)
    _, value = found
    if callable(raw_function(value)) and not isinstance(value, type):
        return Bound(Thing.SELF, name)
    if isinstance(value, property) or hasattr(type(value), "__get__"):
        raise NotUnderstood(f"self.{name} is a property", node)
    if isinstance(value, list | dict | set) and name in run.context.cls.stores:
        raise NotUnderstood(f"self.{name} can change", node)
    return known(value, name, run.context.cls.cls, node)


def of_user(run: "Run", name: str, node: ast.AST) -> Any:
    """`user.name`: what the node knows under this or another name."""
    if name == "is_authenticated":
        return LOGIN
    if name == "is_anonymous":
        return negated(LOGIN)
    known = run.context.people.get(name)
    if known is None:
        if name in ("get_username", "get_full_name", "get_short_name", "has_perm", "groups"):
            return Bound(Thing.USER, name)
        raise NotUnderstood(run.context.no_people or f"user.{name}, which DESCRIBE does not give the node", node)
    if name not in _OF_ANONYMOUS and run.context.user in ("open", "optional") and not run.decide(LOGIN):
        # AnonymousUser has no such attribute.
        raise Raised(AttributeError, node)
    written, kind = known
    sides = frozenset({"user"})
    text = f"user.{written}"
    if run.context.user in ("open", "optional"):
        default = {"id": "none", "name": "''"}.get(written, "false")
        return Expr(f"{text} | default({default})", kind, FILTER, sides, is_plain=kind != "uuid")
    return Expr(text, kind, ATOM, sides, is_plain=kind != "uuid")


def item(run: "Run", base: Any, index: Any, node: ast.AST) -> Any:
    """`base[index]` of a part of the connection."""
    if isinstance(base, Unknown):
        raise NotUnderstood(base.reason, node)
    key = to_expr(index, node).const
    if isinstance(base, QueryValues):
        if key == 0:
            return first(run, base)
        if key == -1:
            return first(run, base, is_last=True)
        raise NotUnderstood("an index of the query", node)
    if not isinstance(key, str):
        raise NotUnderstood("an index that is not a constant", node)
    if base is Thing.SCOPE:
        return of_scope(run, key, node)
    if base is Thing.URL_ROUTE and key == "kwargs":
        return Thing.KWARGS
    if base is Thing.KWARGS:
        return parameter(run, key, node)
    if base is Thing.QUERY_LISTS:
        return QueryValues(key)
    if base is Thing.QUERY_LAST:
        one = Expr(attribute(Expr("query"), key).text, "str", sides=_QUERY)
        run.needs(Expr(f"{one.text} is defined", "bool", COMPARE, _QUERY), one.text, is_asked=True)
        return one
    raise NotUnderstood("an index of what only Python knows", node)


def of_scope(run: "Run", key: str, node: ast.AST) -> Any:
    match key:
        case "user":
            if run.context.user == "absent":
                raise NotUnderstood("scope['user'], which no middleware sets", node)
            return Thing.USER
        case "url_route":
            return Thing.URL_ROUTE
        case "query_string":
            return Thing.QUERY_STRING
    raise NotUnderstood(f"scope[{key!r}]", node)


def parameter(run: "Run", key: str, node: ast.AST, default: Any = NOTHING) -> Any:
    """A parameter of the path."""
    if key in run.context.route:
        found = run.context.route[key]
        if isinstance(found, Unknown):
            raise NotUnderstood(found.reason, node)
        return found
    if default is not NOTHING:
        return default
    raise Raised(KeyError, node)


def first(run: "Run", values: QueryValues, is_last: bool = False) -> Expr:
    """The first value of a parameter of the query. Of several the node takes the last."""
    if not is_last:
        run.note(f"of several parameters {values.name} the node takes the last, parse_qs(…)[0] the first")
    one = attribute(Expr("query", sides=_QUERY), values.name, "str")
    if values.default is NOTHING:
        # Without the parameter, or with an empty one, Python raises.
        run.needs(Expr(one.text, "bool", ATOM, _QUERY), one.text, is_asked=True)
        return one
    default = values.default
    if isinstance(default, ListV) and default.items:
        default = default.items[0 if not is_last else -1]
    elif isinstance(default, ListV):
        return one
    default = to_expr(default)
    kind = "str" if default.kind in ("str", "none") else "any"
    return joined([one, default], f"{one.text} | default({default.text}, true)", kind, FILTER)


def method(run: "Run", bound: Bound, arguments: list[Any], named: dict[str, Any], node: ast.AST) -> Any:
    """Calls a method of the scope, the parameters, the query, or the user."""
    base, name = bound.of, bound.name
    key = arguments[0].const if arguments and isinstance(arguments[0], Expr) else None
    default = arguments[1] if len(arguments) > 1 else named.get("default", constant(None))
    if name == "get" and isinstance(key, str) and len(arguments) in (1, 2):
        match base:
            case Thing.SCOPE:
                if key == "user" and run.context.user == "absent":
                    return default
                return of_scope(run, key, node)
            case Thing.URL_ROUTE if key == "kwargs":
                return Thing.KWARGS
            case Thing.KWARGS:
                return parameter(run, key, node, default)
            case Thing.QUERY_LISTS:
                return QueryValues(key, default)
            case Thing.QUERY_LAST:
                one = attribute(Expr("query", sides=_QUERY), key, "str")
                text = f"{one.text} | default({to_expr(default, node).text})"
                return joined([one], text, "str", FILTER)
    if base is Thing.QUERY_STRING and name == "decode":
        return base
    if base is Thing.USER and name == "get_username":
        return of_user(run, "username", node)
    raise NotUnderstood(f"{name}() of {base.value if isinstance(base, Thing) else 'something'}", node)


def clock(base: Clock, name: str, node: ast.AST) -> Expr:
    """`.isoformat()` and `.timestamp()` of the present time."""
    form = {"isoformat": base.isoformat, "timestamp": base.timestamp}.get(name)
    if form is None:
        raise NotUnderstood(f"{name}() of a time", node)
    return Expr(f"now('{form}')", "str" if name == "isoformat" else "number")


def known(found: Any, name: str, of: Any, node: ast.AST) -> Any:
    """An object of a module or class, unless its value may be a secret, or may change."""
    if isinstance(found, str | bytes) and found and SECRET.search(name):
        raise NotUnderstood(f"{name} may be a secret", node)
    if isinstance(of, dict) and isinstance(found, list | dict | set | str | int | float | bool | None):
        module = of.get("__name__", "")
        if _changes(module, name) or (isinstance(found, list | dict | set) and not name.isupper()):
            raise NotUnderstood(f"{name} of {module} can change", node)
    if isinstance(found, list | tuple | dict | set | frozenset | str | int | float | bool | None):
        if isinstance(found, enum.Enum):
            return Known(found)
        if not isinstance(of, dict) and name in changing.named().assigned:
            raise NotUnderstood(f"{name}, which a statement of the project assigns, can change", node)
        return Known(found, changing.varies(name, of))
    return Known(found)


def _changes(module: str, name: str) -> bool:
    try:
        source = modules.of(importlib.import_module(module))
    except (ImportError, ValueError):
        return False
    return source is not None and name in source.changed
