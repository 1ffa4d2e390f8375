"""Conditions of Python: which way an `if` goes, and comparisons as the node writes them."""

import ast
import dataclasses
import re
from typing import TYPE_CHECKING, Any

from channelgate.translate.expressions import combined, constant, from_python, joined, negated, to_expr
from channelgate.translate.paths import Frame
from channelgate.translate.source import SECRET
from channelgate.translate.values import (
    COMPARE,
    CONCAT,
    CONNECTION,
    FILTER,
    Bound,
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


_OPERATORS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
#: Whether somebody is logged in. In a consumer with `django` a client without a login has the id null.
LOGIN = Expr("user", "bool", sides=frozenset({"user"}), special=Special("login"))


#: What has an order among itself only.
_ORDERED = {"str": "text", "slug": "text", "word": "text", "digits": "text", "int": "number", "number": "number"}
#: The id of a user in a text, where there may be none.
_NO_ID = re.compile(r"default\(none\)(?: \| string|\) ~)")


def login_of_django(condition: Expr) -> Expr:
    """The same for a consumer of Django's."""
    texts = ("user.id is not none", "user.id is none")
    if condition.is_negated:
        texts = texts[::-1]
    return dataclasses.replace(condition, text=texts[0], rank=COMPARE, negative=(texts[1], COMPARE))


def truth(run: "Run", node: ast.expr, frame: "Frame") -> bool:
    """Which way a condition goes on this path."""
    match node:
        case ast.BoolOp(op=op, values=values):
            return _several(run, isinstance(op, ast.And), values, frame)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not truth(run, operand, frame)
    return run.decide(condition(run, run.value(node, frame), node))


def _several(run: "Run", is_and: bool, nodes: list[ast.expr], frame: "Frame") -> bool:
    """`and` and `or`: conditions that are not special are decided together."""
    waiting: list[Expr] = []
    before = len(run.path.needs)

    def decided() -> bool:
        """Whether what has waited decides the whole."""
        nonlocal before
        if not waiting:
            return False
        whole = run.perhaps(before, combined(is_and, waiting), nodes[0])
        before = len(run.path.needs)
        waiting.clear()
        return run.decide(whole) is not is_and

    for node in nodes:
        inner = node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) else node
        if isinstance(inner, ast.BoolOp):
            one = constant(truth(run, node, frame))
        else:
            one = condition(run, run.value(inner, frame), inner)
            one = one if inner is node else negated(one)
        if one.is_known:
            if bool(one.const) is not is_and:
                return not is_and
        elif one.special:
            # What comes before it in the source is decided before it.
            if decided() or run.decide(one) is not is_and:
                return not is_and
        else:
            waiting.append(one)
            # The first is evaluated in any case.
            before = len(run.path.needs) if len(waiting) == 1 else before
    return not is_and if decided() else is_and


def condition(run: "Run", value: Any, node: ast.AST) -> Expr:
    """The truth of a value, as a condition."""
    match value:
        case Expr():
            return value
        case Thing.USER | Thing.SELF | Thing.SCOPE | Thing.LAYER | Thing.RAW_TEXT | Thing.KWARGS:
            return constant(True)
        case ListV():
            return constant(bool(value.items))
        case DictV():
            if value.is_event:
                return constant(True)
            if any(not isinstance(entry, Spread) for entry in value.entries):
                return constant(True)
            return to_expr(value, node)
        case Bound():
            return constant(True)
        case Known():
            if value.varies:
                raise NotUnderstood(value.varies, node)
            return constant(bool(value.value))
        case Unknown():
            raise NotUnderstood(value.reason, node)
    raise NotUnderstood("a condition that only Python can judge", node)


def compare(run: "Run", node: ast.Compare, frame: "Frame") -> Expr:
    """A comparison."""
    if len(node.ops) > 1:
        parts = []
        operands = [node.left, *node.comparators]
        for left, op, right in zip(operands, node.ops, operands[1:], strict=False):
            parts.append(_one(run, run.value(left, frame), op, run.value(right, frame), node))
        return combined(True, parts)
    return _one(run, run.value(node.left, frame), node.ops[0], run.value(node.comparators[0], frame), node)


def _one(run: "Run", left: Any, op: ast.cmpop, right: Any, node: ast.AST) -> Expr:
    for one in (left, right):
        if isinstance(one, Expr) and _NO_ID.search(one.text) and not run.decide(LOGIN):
            # Python writes None, the node none.
            raise NotUnderstood("the id of a client without a login, as text", node)
    is_negative = isinstance(op, ast.NotEq | ast.NotIn | ast.IsNot)
    for one in (left, right):
        if isinstance(one, Known) and one.varies:
            raise NotUnderstood(one.varies, node)
    match op:
        case ast.Is() | ast.IsNot():
            found = same(run, left, right, node)
        case ast.Eq() | ast.NotEq():
            found = equal(run, left, right, node)
        case ast.In() | ast.NotIn():
            found = _contains(run, left, right, node)
        case _:
            one, other = _comparable(left, node), _comparable(right, node)
            if one.is_known and other.is_known:
                raise NotUnderstood("a comparison of constants", node)
            kinds = [_ORDERED.get(each.kind) for each in (one, other)]
            if None not in kinds and kinds[0] != kinds[1]:
                raise NotUnderstood("an order of a text and a number", node)
            _of_client(run, one, other, node)
            _of_client(run, other, one, node)
            text = f"{one.within(CONCAT)} {_OPERATORS[type(op)]} {other.within(CONCAT)}"
            return run.evaluates(joined([one, other], text, "bool", COMPARE), node, TypeError)
    return negated(found) if is_negative else found


def _of_client(run: "Run", one: Expr, other: Expr, node: ast.AST) -> None:
    """A client may send any type: Python raises where the node has an order of its own."""
    if "message" not in one.sides or one.kind in _ORDERED:
        return
    kind = _ORDERED.get(other.kind)
    if kind is None:
        raise NotUnderstood("an order of what the client sends", node)
    text = f"{one.within(CONCAT)} is {'number' if kind == 'number' else 'string'}"
    run.needs(Expr(text, "bool", COMPARE, one.sides), text, is_asked=True)


def same(run: "Run", left: Any, right: Any, node: ast.AST) -> Expr:
    """`is`: of None, True and False."""
    const = right.const if isinstance(right, Expr) else right.value if isinstance(right, Known) else ...
    if const is None:
        return equal(run, left, right, node)
    if isinstance(const, bool):
        login = _of_login(left, constant(const), node)
        if login is not None:
            return login
        one = to_expr(left, node)
        if one.special or one.is_known:
            return one if const else negated(one)
        word = str(const).lower()
        inside = one.within(CONCAT)
        no = (f"{inside} is not {word}", COMPARE)
        return joined([one], f"{inside} is {word}", "bool", COMPARE, negative=no)
    raise NotUnderstood("the identity of two objects", node)


def _comparable(value: Any, node: ast.AST) -> Expr:
    expr = to_expr(value, node)
    if expr.special and expr.special.what == "login":
        raise NotUnderstood("whether somebody is logged in is compared", node)
    if not expr.is_plain:
        raise NotUnderstood("a UUID is compared, which is text in the node", node)
    return expr


def is_anonymous_class(value: Any) -> bool:
    from django.contrib.auth.models import AnonymousUser

    return isinstance(value, Known) and (value.value is AnonymousUser or isinstance(value.value, AnonymousUser))


def _of_login(left: Any, right: Any, node: ast.AST) -> Expr | None:
    """`user.is_authenticated == False`: the node's `user` is not a bool."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Expr) and one.special and one.special.what == "login":
            if isinstance(other, Expr) and isinstance(other.const, bool):
                return one if other.const else negated(one)
            if isinstance(other, Expr) and other.const is None:
                return constant(False)
            raise NotUnderstood("whether somebody is logged in is compared", node)
    return None


def equal(run: "Run", left: Any, right: Any, node: ast.AST) -> Expr:
    login = _of_login(left, right, node)
    if login is not None:
        return login
    if isinstance(left, Expr) and left.is_known and not (isinstance(right, Expr) and right.is_known):
        left, right = right, left
    if left is Thing.USER:
        if is_anonymous_class(right):
            return negated(LOGIN)
        if isinstance(right, Expr) and right.const is None:
            return constant(False)
        raise NotUnderstood("the user is compared", node)
    if isinstance(right, Known) and right.value is None:
        right = constant(None)
    none = isinstance(right, Expr) and right.const is None
    if none and isinstance(left, Thing | DictV | ListV | Bound):
        return constant(False)
    if left is Thing.RAW_TEXT and isinstance(right, Expr) and isinstance(right.const, str):
        return _special("raw", "", right.const)
    one, other = _comparable(left, node), _comparable(right, node)
    if one.is_known and other.is_known:
        return constant(one.const == other.const)
    if none:
        inside = one.within(CONCAT)
        if one.sides == {"user"} and one.kind == "int":
            return negated(LOGIN)
        return joined([one], f"{inside} is none", "bool", COMPARE, negative=(f"{inside} is not none", COMPARE))
    if _is_secret(one, other) or _is_secret(other, one):
        raise NotUnderstood("a comparison with what may be a secret stays in Python", node)
    if one.key and isinstance(other.const, str):
        return _special("dispatch", one.key, other.const, one)
    same = _same_id(run, one, other)
    if same is not None:
        return same
    texts = [one.within(CONCAT), other.within(CONCAT)]
    equal, unequal = (f"{texts[0]} {sign} {texts[1]}" for sign in ("==", "!="))
    split = _splits(one, other)
    return joined([one, other], equal, "bool", COMPARE, negative=(unequal, COMPARE), divisible=split)


def _same_id(run: "Run", one: Expr, other: Expr) -> Expr | None:
    """`str(a) == str(b)`, of which one is an integer."""
    if len(one.parts) != 1 or len(other.parts) != 1 or "string" not in one.text + other.text:
        return None
    left, right = one.parts[0], other.parts[0]
    if "int" not in (left.kind, right.kind):
        return None
    run.path.notes = [note for note in run.path.notes if not note.startswith((f"{left.text} as", f"{right.text} as"))]
    if left.kind == "int" and right.kind != "int":
        left, right = right, left
    text = f"{left.within(FILTER)} | same_id({right.text})"
    return joined([left, right], text, "bool", FILTER, divisible=_splits(left, right))


def _splits(one: Expr, other: Expr) -> bool:
    """Whether each side of a comparison is about the event alone, or about the connection alone."""
    event = frozenset({"event", "group"})
    return not any(side.sides & event and side.sides & CONNECTION for side in (one, other))


def _is_secret(value: Expr, constant_: Expr) -> bool:
    is_text = isinstance(constant_.const, str) and bool(constant_.const)
    return is_text and bool(SECRET.search(value.text)) and bool(value.sides & {"query", "message", "route"})


def _special(what: str, key: str, value: str, of: Expr | None = None) -> Expr:
    text = f"{of.text if of else 'message'} == {to_expr(constant(value)).text}"
    always = of.always if of else frozenset()
    return Expr(text, "bool", COMPARE, frozenset({"message"}), special=Special(what, key, value), always=always)


def _contains(run: "Run", left: Any, right: Any, node: ast.AST) -> Expr:
    if isinstance(right, Known):
        right = from_python(right.value, node)
    if isinstance(right, DictV) and not right.is_event and not any(isinstance(e, Spread) for e in right.entries):
        right = ListV([constant(key) for key, _ in right.entries])
    if isinstance(right, ListV) and isinstance(left, Expr):
        items = [to_expr(one, node) for one in right.items]
        if left.key or left.special:
            return constant(any(run.decide(equal(run, left, item, node)) for item in items))
        if left.is_known and all(item.is_known for item in items):
            return constant(left.const in [item.const for item in items])
    if right is Thing.KWARGS and isinstance(left, Expr) and left.is_known:
        return constant(left.const in run.context.route)
    if isinstance(right, DictV) and right.is_event and isinstance(left, Expr) and isinstance(left.const, str):
        entry = right.find(left.const)
        if entry is None:
            return constant(False)
        if not isinstance(entry, Spread):
            return constant(True)
    if right is Thing.RAW_TEXT or isinstance(right, Thing | Bound | Unknown):
        raise NotUnderstood("a search in what only Python knows", node)
    one, other = _comparable(left, node), _comparable(right, node)
    if one.is_known and other.is_known:
        return constant(one.const in other.const)
    texts = [one.within(CONCAT), other.within(CONCAT)]
    inside, outside = (f"{texts[0]} {word} {texts[1]}" for word in ("in", "not in"))
    return joined([one, other], inside, "bool", COMPARE, negative=(outside, COMPARE), divisible=_splits(one, other))
