"""Operators of Python: texts, dictionaries, `and` and `or`, sums."""

import ast
from typing import TYPE_CHECKING, Any

from channelgate.translate import conditions, methods
from channelgate.translate.expressions import combined, constant, in_text, joined, spread, text_of, to_expr
from channelgate.translate.paths import Frame, Raised
from channelgate.translate.values import FILTER, NOT, PRODUCT, SUM, TERNARY, DictV, Expr, ListV, NotUnderstood, Spread

if TYPE_CHECKING:
    from channelgate.translate.run import Run


_TEXTS = frozenset({"str", "digits", "slug", "word"})


def f_string(run: "Run", values: list[ast.expr], frame: "Frame") -> Expr:
    parts: list[Expr] = []
    for one in values:
        if isinstance(one, ast.Constant):
            parts.append(constant(one.value))
            continue
        assert isinstance(one, ast.FormattedValue)
        if one.format_spec is not None or one.conversion not in (-1, ord("s")):
            raise NotUnderstood("a format in an f-string", one)
        parts.append(in_text(run, run.expr(one.value, frame), one))
    return text_of(parts)


def dictionary(run: "Run", node: ast.Dict, frame: "Frame") -> DictV:
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
        if isinstance(found, Expr) and found.special and found.special.what == "login":
            # The node's `user` is more than whether there is one.
            found = constant(run.decide(found))
        name = run.expr(key, frame)
        if not isinstance(name.const, str):
            raise NotUnderstood("a key that is not a constant text", key)
        made.set(name.const, found)
    return made


def bool_op(run: "Run", node: ast.BoolOp, frame: "Frame") -> Any:
    is_and = isinstance(node.op, ast.And)
    kept: list[Expr] = []
    before = len(run.path.needs)
    for index, one in enumerate(node.values):
        found = run.value(one, frame)
        before = len(run.path.needs) if index == 0 else before
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
    return run.perhaps(before, combined(is_and, kept), node)


def ternary(run: "Run", node: ast.IfExp, frame: "Frame") -> Any:
    if not isinstance(node.test, ast.BoolOp):
        test = conditions.condition(run, run.value(node.test, frame), node.test)
        if not test.is_known and not test.special:
            before = len(run.path.needs)
            one, other = run.value(node.body, frame), run.value(node.orelse, frame)
            if isinstance(one, Expr | DictV | ListV) and isinstance(other, Expr | DictV | ListV):
                one, other = to_expr(one, node), to_expr(other, node)
                kind = one.kind if one.kind == other.kind else "any"
                text = f"{one.within(NOT)} if {test.within(TERNARY - 1)} else {other.within(TERNARY - 1)}"
                whole = joined([one, test, other], text, kind, TERNARY, always=test.always)
                return run.perhaps(before, whole, node)
    return run.value(node.body if run.truth(node.test, frame) else node.orelse, frame)


def without(run: "Run", node: ast.DictComp, frame: "Frame") -> Any:
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
        return methods.percent(run, left.const, right, node)
    if isinstance(node.op, ast.BitOr) and isinstance(left, DictV) and isinstance(right, DictV):
        return DictV([*left.copy().entries, *right.copy().entries])
    if isinstance(node.op, ast.Add) and isinstance(left, ListV) and isinstance(right, ListV):
        return ListV([*left.items, *right.items])
    one, other = to_expr(left, node), to_expr(right, node)
    if isinstance(node.op, ast.Add):
        return _sum(run, one, other, node)
    signs: dict[type[ast.operator], str] = {ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"}
    sign = signs.get(type(node.op))
    if sign is None or one.kind in _TEXTS or other.kind in _TEXTS:
        raise NotUnderstood(f"the operator {type(node.op).__name__}", node)
    if one.is_known and other.is_known:
        raise NotUnderstood("a calculation with constants", node)
    level = SUM if sign == "-" else PRODUCT
    text = f"{one.within(level)} {sign} {other.within(level - 1 if level == PRODUCT else FILTER)}"
    return run.evaluates(joined([one, other], text, "number" if sign == "/" else "any", level), node, TypeError)


def _sum(run: "Run", one: Expr, other: Expr, node: ast.AST) -> Expr:
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
    return run.evaluates(joined([one, other], text, kind, SUM), node, TypeError)
