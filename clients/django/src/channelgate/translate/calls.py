"""Calls in a method: of the consumer itself, of functions of the project, of what Python and Django bring."""

import ast
import dataclasses
import inspect
import json
from types import FunctionType
from typing import TYPE_CHECKING, Any

from channelgate.translate import effects, methods, things
from channelgate.translate.expressions import constant
from channelgate.translate.functions import FUNCTIONS, identity
from channelgate.translate.paths import Frame
from channelgate.translate.source import is_library, is_of_project, of_function, raw_function
from channelgate.translate.values import Bound, Clock, DictV, Expr, Known, NotUnderstood, QueryValues, Thing, Unknown

if TYPE_CHECKING:
    from channelgate.translate.run import Run


_WRAPPERS = {"DatabaseSyncToAsync": "database_sync_to_async", "SyncToAsync": "sync_to_async"}


def call(run: "Run", node: ast.Call, frame: "Frame") -> Any:
    """The value of a call; its effects are noted."""
    if isinstance(node.func, ast.Attribute) and _is_super(node.func.value) and node.func.attr == "__init__":
        return _of_init(run, node, frame)
    if any(isinstance(one, ast.Starred) for one in node.args) or any(one.arg is None for one in node.keywords):
        raise NotUnderstood("arguments that are spread", node)
    if isinstance(node.func, ast.Attribute) and _is_super(node.func.value):
        target: Any = Bound(Thing.SELF, node.func.attr, after=_after(run, node.func.value, frame))
    else:
        target = run.value(node.func, frame)
    if isinstance(target, Known) and _is_wrapper(target.value) and len(node.args) == 1:
        wrapped = run.value(node.args[0], frame)
        return dataclasses.replace(wrapped, is_synced=True) if isinstance(wrapped, Bound) else wrapped
    if isinstance(target, Known) and isinstance(target.value, FunctionType) and _reads_other(target.value):
        raise NotUnderstood(_reason(target.value, node), node)
    arguments = [run.value(one, frame) for one in node.args]
    named = {one.arg: run.value(one.value, frame) for one in node.keywords if one.arg}
    match target:
        case Bound(of=Thing.SELF):
            return of_self(run, target, arguments, named, node, frame)
        case Bound(of=Thing.LAYER):
            _runs_now(run, True, target.is_synced, node, frame)
            return effects.layer(run, target.name, arguments, named, node, frame)
        case Bound(of=Thing.RAW_TEXT):
            raise NotUnderstood(f"{target.name}() of the text of the message", node)
        case Bound(of=Thing() | QueryValues()):
            return things.method(run, target, arguments, named, node)
        case Bound(of=Clock()):
            return things.clock(target.of, target.name, node)
        case Bound(of=DictV() | Expr()) if named and target.name != "format":
            raise NotUnderstood(f"{target.name}() with {next(iter(named))}", node)
        case Bound(of=DictV()):
            return methods.of_dict(run, target.of, target.name, arguments, node)
        case Bound(of=Expr()):
            return methods.of_text(run, target.of, target.name, arguments, node)
        case Known():
            return _of_python(run, target.value, arguments, named, node, frame)
    raise NotUnderstood(f"{ast.unparse(node.func)}()", node)


def _after(run: "Run", node: ast.expr, frame: "Frame") -> type:
    """The class after which `super()` looks, also of `super(Chat, self)`."""
    assert isinstance(node, ast.Call)
    found: Any = Known(frame.source.owner)
    if node.args:
        found = run.value(node.args[0], frame)
        if len(node.args) != 2 or run.value(node.args[1], frame) is not Thing.SELF:
            raise NotUnderstood("super() of something else", node)
    if not isinstance(found, Known) or found.value not in run.context.cls.cls.__mro__:
        raise NotUnderstood("super() of something else", node)
    return found.value  # type: ignore[no-any-return]


def _of_init(run: "Run", node: ast.Call, frame: "Frame") -> Any:
    """`super().__init__(…)`: another class of the project sets attributes there."""
    assert isinstance(node.func, ast.Attribute)
    source = run.context.cls.method("__init__", _after(run, node.func.value, frame))
    if source is None:
        return constant(None)
    given = {name: Unknown(f"{name} of __init__()") for name in source.every_parameter}
    return run.function(source, {"self": Thing.SELF, **given}, frame.depth + 1)


def _runs_now(run: "Run", is_coroutine: bool, is_synced: bool, node: ast.Call, frame: "Frame") -> None:
    """A coroutine that nothing awaits never runs; and what is awaited has to be one."""
    name = ast.unparse(node.func)
    if is_synced:
        if isinstance(frame.source.tree, ast.AsyncFunctionDef):
            raise NotUnderstood(f"{name}() raises in an async def", node)
    elif is_coroutine and id(node) not in run.awaited:
        raise NotUnderstood(f"{name}() is a coroutine that is not awaited", node)
    elif not is_coroutine and id(node) in run.awaited:
        raise NotUnderstood(f"{name}() is awaited, and is not a coroutine", node)


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
        if found is not None:
            is_coroutine = inspect.iscoroutinefunction(raw_function(found[1]))
            _runs_now(run, is_coroutine, target.is_synced, node, frame)
        return effects.base(run, target.name, arguments, named, node, frame)
    _, member = found
    function = raw_function(member)
    if function is not member and not isinstance(member, staticmethod | classmethod):
        raise NotUnderstood(
            f"self.{target.name}() runs in Python, with {_WRAPPERS.get(type(member).__name__, type(member).__name__)}",
            node,
        )
    source = cls.method(target.name, target.after)
    if source is None:
        raise NotUnderstood(f"self.{target.name}()", node)
    _runs_now(run, isinstance(source.tree, ast.AsyncFunctionDef), target.is_synced, node, frame)
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


def _of_python(
    run: "Run", function: Any, arguments: list[Any], named: dict[str, Any], node: ast.Call, frame: "Frame"
) -> Any:
    for one in (*arguments, *named.values()):
        if isinstance(one, Known) and one.varies and function not in (json.dumps, str):
            raise NotUnderstood(one.varies, node)
    known = FUNCTIONS.get(identity(function))
    if known is not None:
        return known(run, arguments, named, node)
    if isinstance(function, FunctionType) and is_of_project(function):
        source = of_function(function)
        is_synced = isinstance(node.func, ast.Call)
        _runs_now(run, isinstance(source.tree, ast.AsyncFunctionDef), is_synced, node, frame)
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
