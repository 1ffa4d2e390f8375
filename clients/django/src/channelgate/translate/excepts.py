"""Logs, exceptions, patterns and imports: statements around what a method does."""

import ast
import contextlib
import importlib
import logging
import re
import traceback
import warnings
from types import FunctionType
from typing import TYPE_CHECKING, Any

from channelgate.translate import conditions
from channelgate.translate.expressions import constant
from channelgate.translate.paths import Frame
from channelgate.translate.values import Known, NotUnderstood

if TYPE_CHECKING:
    from channelgate.translate.run import Run


#: Names of what writes logs, where the object itself does not say so: other packages than Python's own.
_LOG = re.compile(r"(logger|log|logging|_logger|_log|sentry_sdk)\Z", re.IGNORECASE)
_WRITES = frozenset(
    "debug info warning warn error exception critical fatal log success trace capture_exception capture_message".split()  # noqa: SIM905
)


def is_log(node: ast.expr, frame: "Frame") -> bool:
    """Whether a statement only writes a log: it has no effect that a client sees."""
    inner = node.value if isinstance(node, ast.Await) else node
    if not isinstance(inner, ast.Call) or any(isinstance(one, ast.Await) for one in ast.walk(inner)):
        return False
    if any(_may_act(one, frame) for part in (*inner.args, *inner.keywords) for one in ast.walk(part)):
        return False
    return _writes_log(inner.func, frame)


def _writes_log(func: ast.expr, frame: "Frame") -> bool:
    if isinstance(func, ast.Name):
        found = _found(func.id, frame)
        if func.id == "print":
            return found is None
        return func.id in _WRITES and getattr(found, "__module__", "").startswith("sentry_sdk")
    if not isinstance(func, ast.Attribute):
        return False
    of = func.value
    while isinstance(of, ast.Call) and isinstance(of.func, ast.Attribute):
        # logging.getLogger(…).info(…), logger.bind(…).info(…)
        of = of.func.value
    if isinstance(of, ast.Name):
        found = _found(of.id, frame)
        if found in (traceback, warnings):
            return func.attr.startswith(("print", "warn"))
        if isinstance(found, logging.Logger) or found is logging:
            return func.attr in _WRITES
        return bool(_LOG.match(of.id)) and func.attr in _WRITES
    match of:
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return bool(_LOG.match(name)) and func.attr in _WRITES
    return False


def _found(name: str, frame: "Frame") -> Any:
    found = frame.names.get(name) or frame.source.function.__globals__.get(name)
    return found.value if isinstance(found, Known) else found


def _may_act(node: ast.AST, frame: "Frame") -> bool:
    """Whether a part of what is logged is a call that may do something."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute):
        return isinstance(node.func.value, ast.Name) and node.func.value.id == "self"
    return isinstance(node.func, ast.Name) and isinstance(_found(node.func.id, frame), FunctionType)


def logged(run: "Run", node: ast.expr, frame: "Frame") -> None:
    """Evaluates what is logged: where that raises, the method ends."""
    inner = node.value if isinstance(node, ast.Await) else node
    assert isinstance(inner, ast.Call)
    for one in (*inner.args, *(keyword.value for keyword in inner.keywords)):
        notes = list(run.path.notes)
        with contextlib.suppress(NotUnderstood):
            run.value(one, frame)
        run.path.notes = notes


def does_nothing(body: list[ast.stmt], frame: "Frame") -> bool:
    """Whether the body of an `except` has no effect."""
    for one in body:
        if isinstance(one, ast.Pass) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)):
            continue
        if isinstance(one, ast.Return) and (one.value is None or isinstance(one.value, ast.Constant)):
            continue
        if isinstance(one, ast.Expr) and is_log(one.value, frame):
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
            return run.decide(conditions.equal(run, subject, constant(value), pattern))
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
