"""Logs, exceptions, patterns and imports: statements around what a method does."""

import ast
import importlib
import logging
import re
import traceback
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any

from channelgate.translate import conditions
from channelgate.translate.expressions import constant
from channelgate.translate.paths import Frame
from channelgate.translate.source import is_of_project
from channelgate.translate.values import Expr, Known, NotUnderstood, Thing, Unknown

if TYPE_CHECKING:
    from channelgate.translate.run import Run


_LOG = re.compile(r"(logger|log|logging|_logger|_log|print|capture_exception|sentry_sdk)\Z", re.IGNORECASE)


def is_log(run: "Run | None", node: ast.expr, frame: "Frame") -> bool:
    """Whether a statement only writes a log: it has no effect that a client sees. Without a run `self` is unknown."""
    inner = node.value if isinstance(node, ast.Await) else node
    if not isinstance(inner, ast.Call):
        return False
    root = inner.func
    while isinstance(root, ast.Attribute | ast.Call):
        root = root.value if isinstance(root, ast.Attribute) else root.func
    if not isinstance(root, ast.Name) or any(isinstance(one, ast.Await) for one in ast.walk(inner)):
        return False
    found = frame.names.get(root.id) or frame.source.function.__globals__.get(root.id)
    found = found.value if isinstance(found, Known) else found
    if isinstance(found, logging.Logger) or any(found is one for one in (logging, traceback, warnings)):
        return True
    if root.id == "self" and isinstance(inner.func, ast.Attribute) and isinstance(inner.func.value, ast.Attribute):
        if run is None:
            return False
        of_class = run.context.cls.find(inner.func.value.attr)
        return of_class is not None and inner.func.value.attr not in run.context.cls.stores and _writes(of_class[1])
    if root.id == "print":
        return found is None
    return bool(_LOG.match(root.id)) and _writes(found)


def _writes(found: Any) -> bool:
    """Whether it is a log of Python or of a package, and not the project's own."""
    if found is None or isinstance(found, Expr | Unknown | Thing):
        return False
    return not is_of_project(found if callable(found) or isinstance(found, ModuleType) else type(found))


#: Calls in the arguments of a log that do nothing else.
_HARMLESS = frozenset(
    [
        "str",
        "repr",
        "len",
        "type",
        "id",
        "getattr",
        "dict",
        "list",
        "sorted",
        "get",
        "format",
        "format_exc",
        "join",
        "dumps",
        "keys",
        "values",
        "items",
        "isoformat",
        "now",
        "decode",
    ]
)


def logged(run: "Run", node: ast.expr, frame: "Frame") -> None:
    """The arguments of a log: what they evaluate may raise, and a call in them may do anything."""
    inner = node.value if isinstance(node, ast.Await) else node
    assert isinstance(inner, ast.Call)
    waiting: list[ast.expr] = [*inner.args, *(one.value for one in inner.keywords)]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, ast.JoinedStr):
            waiting += [part.value for part in one.values if isinstance(part, ast.FormattedValue)]
            continue
        try:
            run.value(one, frame)
        except NotUnderstood:
            for call in ast.walk(one):
                if isinstance(call, ast.NamedExpr):
                    raise
                if (
                    isinstance(call, ast.Call)
                    and getattr(call.func, "attr", getattr(call.func, "id", "")) not in _HARMLESS
                ):
                    raise


def does_nothing(body: list[ast.stmt], frame: "Frame") -> bool:
    """Whether the body of an `except` has no effect."""
    for one in body:
        if isinstance(one, ast.Pass) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)):
            continue
        if isinstance(one, ast.Return) and (one.value is None or isinstance(one.value, ast.Constant)):
            continue
        if isinstance(one, ast.Expr) and is_log(None, one.value, frame):
            continue
        return False
    return True


def caught(run: "Run", handler: ast.ExceptHandler, frame: "Frame") -> list[type[BaseException]]:
    """The exceptions that an `except` catches."""
    if handler.type is None:
        return [BaseException]
    nodes = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    found = [run.value(one, frame) for one in nodes]
    if not all(isinstance(one, Known) and _is_error(one.value) for one in found):
        raise NotUnderstood("an except of something unknown", handler)
    return [one.value for one in found]


def _is_error(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def exception(run: "Run", node: ast.expr | None, frame: "Frame") -> type[BaseException]:
    """The exception that a `raise` raises."""
    if isinstance(node, ast.Call):
        node = node.func
    found = run.value(node, frame) if node is not None else None
    if isinstance(found, Known) and _is_error(found.value):
        return found.value  # type: ignore[no-any-return]
    raise NotUnderstood("raise", node)


def fits(run: "Run", subject: Any, pattern: ast.pattern, frame: "Frame") -> bool:
    """Whether a `case` fits."""
    match pattern:
        case ast.MatchValue(value=value):
            return run.decide(conditions.equal(run, subject, run.value(value, frame), pattern))
        case ast.MatchSingleton(value=value):
            return run.decide(conditions.same(run, subject, constant(value), pattern))
        case ast.MatchOr(patterns=patterns):
            return any(fits(run, subject, one, frame) for one in patterns)
        case ast.MatchAs(pattern=None, name=None):
            return True
        case ast.MatchAs(pattern=None, name=str(name)):
            frame.names[name] = subject
            return True
    raise NotUnderstood("a pattern of match", pattern)


def imported(statement: ast.Import | ast.ImportFrom, frame: "Frame") -> None:
    """An import inside of a function."""
    package = frame.source.function.__globals__.get("__package__") or ""
    try:
        if isinstance(statement, ast.Import):
            for one in statement.names:
                module = importlib.import_module(one.name)
                top = importlib.import_module(one.name.partition(".")[0])
                frame.names[one.asname or one.name.partition(".")[0]] = Known(module if one.asname else top)
            return
        module = importlib.import_module("." * statement.level + (statement.module or ""), package)
        for one in statement.names:
            frame.names[one.asname or one.name] = Known(getattr(module, one.name))
    except Exception:
        raise NotUnderstood("an import that fails", statement) from None
