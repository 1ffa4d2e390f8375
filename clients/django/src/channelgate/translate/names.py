"""What the names and expressions of a method are: looked up in what is known, never guessed."""

import ast
import builtins
import datetime
import enum
import inspect
import types
from typing import TYPE_CHECKING, Any

from django.conf import LazySettings

from channelgate.translate import calls, conditions, operators, things
from channelgate.translate.expressions import attribute, constant, from_python, joined, keyed, negated, to_expr
from channelgate.translate.functions import TEXTS
from channelgate.translate.paths import Frame, Raised
from channelgate.translate.values import (
    PRODUCT,
    Bound,
    DictV,
    Expr,
    Known,
    ListV,
    NotUnderstood,
    Spread,
    Thing,
    Unknown,
)

if TYPE_CHECKING:
    from channelgate.translate.run import Run


_JSON_NAMES = ("json", "ujson", "orjson", "simplejson")


def value(run: "Run", node: ast.expr, frame: "Frame") -> Any:
    """The value of an expression."""
    match node:
        case ast.Await(value=inner):
            run.awaited.add(id(inner))
            return run.value(inner, frame)
        case ast.Constant(value=plain):
            return constant(plain, node)
        case ast.Name(id=name):
            return lookup(name, frame, node)
        case ast.Attribute(value=of, attr=name):
            return member(run, run.value(of, frame), name, node)
        case ast.Subscript():
            return item(run, node, frame)
        case ast.Call():
            return calls.call(run, node, frame)
        case ast.JoinedStr(values=values):
            return operators.f_string(run, values, frame)
        case ast.Dict():
            return operators.dictionary(run, node, frame)
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            if any(isinstance(one, ast.Starred) for one in items):
                raise NotUnderstood("a list made of others", node)
            return ListV([run.value(one, frame) for one in items])
        case ast.Compare():
            return conditions.compare(run, node, frame)
        case ast.BoolOp():
            return operators.bool_op(run, node, frame)
        case ast.UnaryOp(op=ast.Not()):
            one = conditions.condition(run, run.value(node.operand, frame), node)
            return constant(run.decide(negated(one))) if one.special else negated(one)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            one = run.expr(operand, frame)
            if one.is_known:
                return constant(-one.const, node)
            return joined([one], f"-{one.within(0)}", one.kind, PRODUCT)
        case ast.BinOp():
            return operators.binary(run, node, frame)
        case ast.IfExp():
            return operators.ternary(run, node, frame)
        case ast.NamedExpr(target=target, value=inner):
            found = run.value(inner, frame)
            run.assign(target, found, frame)
            return found
        case ast.DictComp():
            return operators.without(run, node, frame)
    raise NotUnderstood(f"an expression of the kind {type(node).__name__}", node)


def lookup(name: str, frame: "Frame", node: ast.AST) -> Any:
    """A name: of the function, of its closure, of its module, or built in."""
    if name in frame.names:
        found = frame.names[name]
        if isinstance(found, Unknown):
            raise NotUnderstood(found.reason, node)
        return found
    function = frame.source.function
    try:
        closure = inspect.getclosurevars(function).nonlocals
    except (TypeError, ValueError):
        closure = {}
    if name in closure:
        return _of_closure(closure[name], name, function, node)
    if name in (*function.__code__.co_varnames, *function.__code__.co_cellvars):
        raise NotUnderstood(f"{name} has no value here", node)
    if name in function.__globals__:
        return things.known(function.__globals__[name], name, function.__globals__, node)
    if hasattr(builtins, name):
        return Known(getattr(builtins, name))
    raise NotUnderstood(f"the name {name}", node)


def _of_closure(found: Any, name: str, function: Any, node: ast.AST) -> Any:
    """A value of the function around: it may be another after the next call, unless it is a function or a class."""
    if isinstance(found, list | dict | set):
        raise NotUnderstood(f"{name} of the function around can change", node)
    is_plain = isinstance(found, str | bytes | int | float | bool | None)
    return Known(found, f"{name} of the function around decides" if is_plain else "")


def member(run: "Run", base: Any, name: str, node: ast.AST) -> Any:
    """`base.name`."""
    match base:
        case Thing():
            return things.member(run, base, name, node)
        case Known(value=found):
            inner = found
            if isinstance(inner, str | int | float | bool) and not hasattr(type(inner), "name"):
                return Bound(from_python(inner, node), name)
            if not _is_fixed(inner, name) and not inspect.isroutine(inspect.getattr_static(type(inner), name, None)):
                raise NotUnderstood(f"{name} of an object, which can change", node)
            try:
                got = getattr(inner, name)
            except Exception:
                raise NotUnderstood(f"{name} of {getattr(inner, '__name__', type(inner).__name__)}", node) from None
            return things.known(got, name, inner, node)
        case Unknown():
            raise NotUnderstood(base.reason, node)
    return Bound(base, name)


def _is_fixed(inner: Any, name: str) -> bool:
    """Whether an attribute is what its module or class says, and not what a property or an object's state is."""
    if isinstance(inner, types.ModuleType):
        return name in vars(inner)
    if isinstance(inner, type):
        return isinstance(inner, enum.EnumMeta) or any(name in vars(one) for one in inner.__mro__)
    return isinstance(inner, enum.Enum | LazySettings | types.FunctionType | BaseException | datetime.timezone)


def item(run: "Run", node: ast.Subscript, frame: "Frame") -> Any:
    """`base[index]`."""
    base = run.value(node.value, frame)
    if isinstance(node.slice, ast.Slice):
        return _slice(run, base, node.slice, node, frame)
    index = run.value(node.slice, frame)
    if isinstance(base, Known) and base.varies:
        raise NotUnderstood(base.varies, node)
    if isinstance(base, Known) and isinstance(base.value, list | tuple | dict | str):
        base = from_python(base.value, node)
    if isinstance(base, Thing) or not isinstance(base, DictV | ListV | Expr):
        return things.item(run, base, index, node)
    key = to_expr(index, node)
    if isinstance(base, ListV):
        if isinstance(key.const, int) and -len(base.items) <= key.const < len(base.items):
            return base.items[key.const]
        raise NotUnderstood("an index of a list", node)
    if isinstance(base, DictV):
        return of_dict(run, base, key, node)
    if isinstance(key.const, str):
        return run.evaluates(attribute(base, key.const), node)
    if isinstance(key.const, bool) or key.kind not in ("int", "any", *TEXTS):
        raise NotUnderstood("an index", node)
    return run.evaluates(joined([base, key], f"{base.within(0)}[{key.text}]"), node)


def of_dict(run: "Run", base: DictV, key: Expr, node: ast.AST) -> Any:
    """The value of a key of a dictionary that the method has made, or of the event."""
    if not isinstance(key.const, str):
        if key.key and not any(isinstance(entry, Spread) for entry in base.entries):
            for name, one in base.entries:
                if run.decide(conditions.equal(run, key, constant(name), node)):
                    return one
            raise Raised(KeyError, node)
        whole = to_expr(base, node)
        return joined([whole, key], f"{whole.within(0)}[{key.text}]")
    found = base.find(key.const)
    if found is None:
        raise Raised(KeyError, node)
    if isinstance(found, Spread):
        if len(base.entries) > 1 and not base.is_event:
            return run.evaluates(attribute(to_expr(base, node), key.const), node)
        return keyed(run.evaluates(attribute(found.of, key.const), node), found.of, key.const)
    return found


def _slice(run: "Run", base: Any, node: ast.Slice, at: ast.AST, frame: "Frame") -> Any:
    if node.step is not None:
        raise NotUnderstood("a slice with a step", at)
    bounds = [run.expr(one, frame) if one is not None else None for one in (node.lower, node.upper)]
    if isinstance(base, ListV) and all(one is None or isinstance(one.const, int) for one in bounds):
        low, high = (one.const if one is not None else None for one in bounds)
        return ListV(base.items[low:high])
    of = to_expr(base, at)
    text = ":".join("" if one is None else one.text for one in bounds)
    return joined([of, *(one for one in bounds if one is not None)], f"{of.within(0)}[{text}]", of.kind)
