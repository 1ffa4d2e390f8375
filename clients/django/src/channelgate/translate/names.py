"""What the names and expressions of a method are: looked up in what is known, never guessed."""

import ast
import builtins
import importlib
import inspect
import logging
import re
from typing import TYPE_CHECKING, Any

from channelgate.translate import calls, conditions, things
from channelgate.translate.source import SECRET, of_function, raw_function
from channelgate.translate.values import (
    ATOM,
    COMPARE,
    CONCAT,
    FILTER,
    NOT,
    PRODUCT,
    SUM,
    TERNARY,
    Bound,
    DictV,
    Expr,
    Known,
    ListV,
    NotUnderstood,
    Spread,
    Thing,
    Unknown,
    attribute,
    constant,
    from_python,
    joined,
    negated,
    text_of,
    to_expr,
)

if TYPE_CHECKING:
    from channelgate.translate.paths import Frame
    from channelgate.translate.run import Run

_LOG = re.compile(r"(logger|log|logging|_logger|_log|print|capture_exception|sentry_sdk)\Z", re.IGNORECASE)
_JSON_NAMES = ("json", "ujson", "orjson", "simplejson")
_TEXTS = frozenset({"str", "digits", "slug", "word"})


def value(run: "Run", node: ast.expr, frame: "Frame") -> Any:
    """The value of an expression."""
    match node:
        case ast.Await(value=inner):
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
            return _f_string(run, values, frame)
        case ast.Dict():
            return _dict(run, node, frame)
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            if any(isinstance(one, ast.Starred) for one in items):
                raise NotUnderstood("a list made of others", node)
            return ListV([run.value(one, frame) for one in items])
        case ast.Compare():
            return conditions.compare(run, node, frame)
        case ast.BoolOp():
            return _bool_op(run, node, frame)
        case ast.UnaryOp(op=ast.Not()):
            inner = conditions.condition(run, run.value(node.operand, frame), node)
            return constant(run.decide(negated(inner))) if inner.special else negated(inner)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            one = run.expr(operand, frame)
            if one.is_known:
                return constant(-one.const, node)
            return joined([one], f"-{one.within(0)}", one.kind, PRODUCT)
        case ast.BinOp():
            return binary(run, node, frame)
        case ast.IfExp():
            return _ternary(run, node, frame)
        case ast.NamedExpr(target=target, value=inner):
            found = run.value(inner, frame)
            run.assign(target, found, frame)
            return found
        case ast.DictComp():
            return _without(run, node, frame)
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
        return Known(closure[name])
    if name in function.__globals__:
        return known(function.__globals__[name], name, function.__globals__, node)
    if hasattr(builtins, name):
        return Known(getattr(builtins, name))
    raise NotUnderstood(f"the name {name}", node)


def known(found: Any, name: str, of: Any, node: ast.AST) -> Any:
    """An object of a module or class, unless its value may be a secret, or may change."""
    if isinstance(found, str | bytes) and found and SECRET.search(name):
        raise NotUnderstood(f"{name} may be a secret", node)
    if isinstance(of, dict) and isinstance(found, list | dict | set | str | int | float | bool | None):
        module = of.get("__name__", "")
        if _changes(module, name) or (isinstance(found, list | dict | set) and not name.isupper()):
            raise NotUnderstood(f"{name} of {module} can change", node)
    return Known(found)


def _changes(module: str, name: str) -> bool:
    try:
        text = inspect.getsource(importlib.import_module(module))
    except (OSError, TypeError, ImportError, ValueError):
        return False
    word = re.escape(name)
    changing = r"append|add|remove|discard|pop|update|clear|extend|insert|setdefault|popitem"
    return bool(
        re.search(rf"^\s*global\b.*\b{word}\b", text, re.MULTILINE)
        or re.search(rf"\b{word}(\[[^]\n]*\]\s*[-+|]?=(?!=)|\.({changing})\()|\bdel\s+{word}\b", text)
    )


def member(run: "Run", base: Any, name: str, node: ast.AST) -> Any:
    """`base.name`."""
    match base:
        case Thing():
            return things.member(run, base, name, node)
        case Known(value=found):
            inner = found
            if isinstance(inner, str | int | float | bool) and not hasattr(type(inner), "name"):
                return Bound(from_python(inner, node), name)
            try:
                got = getattr(inner, name)
            except Exception:
                raise NotUnderstood(f"{name} of {getattr(inner, '__name__', type(inner).__name__)}", node) from None
            return known(got, name, inner, node)
        case Unknown():
            raise NotUnderstood(base.reason, node)
    return Bound(base, name)


def item(run: "Run", node: ast.Subscript, frame: "Frame") -> Any:
    """`base[index]`."""
    base = run.value(node.value, frame)
    if isinstance(node.slice, ast.Slice):
        return _slice(run, base, node.slice, node, frame)
    index = run.value(node.slice, frame)
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
    run.may_fail(KeyError, node)
    if isinstance(key.const, str):
        return attribute(base, key.const)
    if isinstance(key.const, bool) or key.kind not in ("int", "any", *_TEXTS):
        raise NotUnderstood("an index", node)
    return joined([base, key], f"{base.within(0)}[{key.text}]")


def of_dict(run: "Run", base: DictV, key: Expr, node: ast.AST) -> Any:
    """The value of a key of a dictionary that the method has made, or of the event."""
    from channelgate.translate.paths import Raised

    if not isinstance(key.const, str):
        if key.key and not any(isinstance(entry, Spread) for entry in base.entries):
            for name, one in base.entries:
                if run.decide(conditions._equal(run, key, constant(name), node)):
                    return one
            raise Raised(KeyError, node)
        whole = to_expr(base, node)
        return joined([whole, key], f"{whole.within(0)}[{key.text}]")
    found = base.find(key.const)
    if found is None:
        raise Raised(KeyError, node)
    if isinstance(found, Spread):
        run.may_fail(KeyError, node)
        if len(base.entries) > 1 and not base.is_event:
            return attribute(to_expr(base, node), key.const)
        return keyed(attribute(found.of, key.const), found.of, key.const)
    return found


def keyed(expr: Expr, of: Expr, key: str) -> Expr:
    """Notes that an expression is a key of the client's message."""
    import dataclasses

    return dataclasses.replace(expr, key=key) if of.text == "message" else expr


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


def _f_string(run: "Run", values: list[ast.expr], frame: "Frame") -> Expr:
    parts: list[Expr] = []
    for one in values:
        if isinstance(one, ast.Constant):
            parts.append(constant(one.value))
            continue
        assert isinstance(one, ast.FormattedValue)
        if one.format_spec is not None or one.conversion not in (-1, ord("s")):
            raise NotUnderstood("a format in an f-string", one)
        parts.append(_in_text(run, run.expr(one.value, frame), one))
    return text_of(parts)


def _in_text(run: "Run", expr: Expr, node: ast.AST) -> Expr:
    """A value as a part of a text."""
    if expr.kind in ("bool", "none", "number", "list", "dict", "bytes") and not expr.is_known:
        raise NotUnderstood(f"a {expr.kind} as text, which Python writes differently", node)
    if expr.kind == "any":
        run.note(f"{expr.text} as text: a bool, None, a float or a list reads differently in Python")
    return expr


def _dict(run: "Run", node: ast.Dict, frame: "Frame") -> DictV:
    made = DictV()
    for key, one in zip(node.keys, node.values, strict=True):
        found = run.value(one, frame)
        if key is None:
            if isinstance(found, DictV):
                for entry in found.copy().entries:
                    if isinstance(entry, Spread):
                        made.entries.append(entry)
                    else:
                        made.set(*entry)
            else:
                made.entries.append(Spread(spread(run, to_expr(found, one))))
            continue
        name = run.expr(key, frame)
        if not isinstance(name.const, str):
            raise NotUnderstood("a key that is not a constant text", key)
        made.set(name.const, found)
    return made


def spread(run: "Run", of: Expr) -> Expr:
    """An object whose keys become keys of another. Where it is missing the node would go on without; Python fails."""
    if of.sides & {"event", "message"} and of.rank == ATOM and not of.text.endswith(")"):
        run.path.needs.append(Expr(f"{of.text} is defined", "bool", COMPARE, of.sides))
    return of


def _bool_op(run: "Run", node: ast.BoolOp, frame: "Frame") -> Any:
    is_and = isinstance(node.op, ast.And)
    kept: list[Expr] = []
    for index, one in enumerate(node.values):
        found = run.value(one, frame)
        truth = conditions.condition(run, found, one) if not isinstance(found, Expr) else found
        is_last = index == len(node.values) - 1
        if truth.is_known or truth.special:
            if kept:
                raise NotUnderstood("and, or with a part that is decided apart", node)
            if is_last:
                return found
            if run.decide(truth) is not is_and:
                return found
            continue
        kept.append(truth)
    return conditions.combined(is_and, kept) if len(kept) > 1 else kept[0]


def _ternary(run: "Run", node: ast.IfExp, frame: "Frame") -> Any:
    if not isinstance(node.test, ast.BoolOp):
        test = conditions.condition(run, run.value(node.test, frame), node.test)
        if not test.is_known and not test.special:
            one, other = run.value(node.body, frame), run.value(node.orelse, frame)
            if isinstance(one, Expr | DictV | ListV) and isinstance(other, Expr | DictV | ListV):
                one, other = to_expr(one, node), to_expr(other, node)
                kind = one.kind if one.kind == other.kind else "any"
                text = f"{one.within(NOT)} if {test.within(TERNARY - 1)} else {other.within(TERNARY - 1)}"
                return joined([one, test, other], text, kind, TERNARY)
    return run.value(node.body if run.truth(node.test, frame) else node.orelse, frame)


def _without(run: "Run", node: ast.DictComp, frame: "Frame") -> Any:
    """`{k: v for k, v in event.items() if k != "type"}`."""
    unknown = NotUnderstood("a comprehension", node)
    match node:
        case ast.DictComp(
            key=ast.Name(id=key),
            value=ast.Name(id=one),
            generators=[
                ast.comprehension(
                    target=ast.Tuple(elts=[ast.Name(id=first), ast.Name(id=second)]),
                    iter=ast.Call(func=ast.Attribute(value=of, attr="items"), args=[]),
                    ifs=ifs,
                )
            ],
        ) if (key, one) == (first, second):
            base = run.value(of, frame)
            made = base.copy() if isinstance(base, DictV) else DictV([Spread(to_expr(base, node))])
        case _:
            raise unknown
    for test in ifs:
        match test:
            case ast.Compare(left=ast.Name(id=name), ops=[ast.NotEq()], comparators=[ast.Constant(value=str(gone))]):
                names = [gone]
            case ast.Compare(left=ast.Name(id=name), ops=[ast.NotIn()], comparators=[other]):
                found = to_expr(run.value(other, frame), node)
                names = found.const if isinstance(found.const, list) else []
            case _:
                raise unknown
        if name != key or not names or not all(isinstance(gone, str) for gone in names):
            raise unknown
        for gone in names:
            made.remove(gone)
    return made


def binary(run: "Run", node: ast.BinOp, frame: "Frame") -> Any:
    """`+`, `%` and the operators of numbers."""
    left, right = run.value(node.left, frame), run.value(node.right, frame)
    if isinstance(node.op, ast.Mod) and isinstance(left, Expr) and isinstance(left.const, str):
        return calls.percent(run, left.const, right, node)
    if isinstance(node.op, ast.BitOr) and isinstance(left, DictV) and isinstance(right, DictV):
        return DictV([*left.copy().entries, *right.copy().entries])
    if isinstance(node.op, ast.Add) and isinstance(left, ListV) and isinstance(right, ListV):
        return ListV([*left.items, *right.items])
    one, other = to_expr(left, node), to_expr(right, node)
    if isinstance(node.op, ast.Add):
        return _sum(one, other, node)
    signs: dict[type[ast.operator], str] = {ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"}
    sign = signs.get(type(node.op))
    if sign is None or one.kind in _TEXTS or other.kind in _TEXTS:
        raise NotUnderstood(f"the operator {type(node.op).__name__}", node)
    if one.is_known and other.is_known:
        raise NotUnderstood("a calculation with constants", node)
    level = SUM if sign == "-" else PRODUCT
    text = f"{one.within(level)} {sign} {other.within(level - 1 if level == PRODUCT else FILTER)}"
    return joined([one, other], text, "number" if sign == "/" else "any", level)


def _sum(one: Expr, other: Expr, node: ast.AST) -> Expr:
    from channelgate.translate.paths import Raised

    kinds = {one.kind, other.kind}
    if kinds <= _TEXTS:
        return text_of([one, other])
    if kinds & _TEXTS and kinds - _TEXTS - {"any"}:
        raise Raised(TypeError, node)
    if one.is_known and other.is_known:
        return constant(one.const + other.const, node)
    kind = "str" if kinds & _TEXTS else "any"
    text = f"{one.within(FILTER)} + {other.within(FILTER)}"
    if one.rank == SUM:
        text = f"{one.text} + {other.within(FILTER)}"
    return joined([one, other], text, kind, SUM)


def is_log(run: "Run", node: ast.expr, frame: "Frame") -> bool:
    """Whether a statement only writes a log: it has no effect that a client sees."""
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
    if isinstance(found, logging.Logger) or found is logging:
        return True
    if root.id == "self" and isinstance(inner.func, ast.Attribute) and isinstance(inner.func.value, ast.Attribute):
        return bool(_LOG.match(inner.func.value.attr))
    return bool(_LOG.match(root.id)) and (root.id != "print" or found is None)


def does_nothing(body: list[ast.stmt], frame: "Frame") -> bool:
    """Whether the body of an `except` has no effect."""
    for one in body:
        if isinstance(one, ast.Pass) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)):
            continue
        if isinstance(one, ast.Return) and (one.value is None or isinstance(one.value, ast.Constant)):
            continue
        if isinstance(one, ast.Expr) and is_log(None, one.value, frame):  # type: ignore[arg-type]
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
            return run.decide(conditions._equal(run, subject, run.value(value, frame), pattern))
        case ast.MatchSingleton(value=value):
            return run.decide(conditions._equal(run, subject, constant(value), pattern))
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


__all__ = ["CONCAT", "of_function", "raw_function", "value"]
