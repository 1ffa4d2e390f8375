"""Runs a method of a consumer on what is known, once for each way that its conditions can go.

A run goes straight through; at a condition that nobody knows yet it takes the next decision, and the method is run
again for the other one. Out: the paths, each with its conditions, its effects in their order, and how it ends.
"""

import ast
import contextlib
import dataclasses
from typing import Any

from channelgate.translate import conditions, excepts, names
from channelgate.translate.expressions import constant, fresh, from_python, negated, to_expr
from channelgate.translate.paths import Context, Effect, Frame, Need, Path, Problem, Raised
from channelgate.translate.source import Source
from channelgate.translate.values import COMPARE, CONCAT, DictV, Expr, Known, ListV, NotUnderstood, Thing, Unknown

_DEEPEST = 6


#: What statements are called in reasons.
_KINDS = {
    "AsyncFor": "a loop over what Python makes",
    "While": "a loop",
    "With": "a with block",
    "Global": "a variable of the module that it sets",
    "AsyncWith": "a with block",
    "FunctionDef": "a function inside",
    "AsyncFunctionDef": "a function inside",
}


class _Returned(Exception):
    def __init__(self, value: Any):
        super().__init__()
        self.value = value


class _Loop(Exception):
    """`break` or `continue`."""

    def __init__(self, is_break: bool):
        super().__init__()
        self.is_break = is_break


@dataclasses.dataclass(slots=True)
class _Guard:
    """A `try` that is open: what its handlers catch, and whether they do nothing."""

    catches: tuple[type[BaseException], ...]
    is_quiet: bool
    #: Whether they all leave the method.
    returns: bool = False


class Run:
    """One run of a method."""

    def __init__(self, context: Context, decisions: list[bool]):
        self.context = context
        self.decisions = decisions
        self.taken: list[bool] = []
        self.known: dict[str, bool] = {}
        self.path = Path([], [], {name: fresh(one) for name, one in context.attributes.items()})
        self.guards: list[_Guard] = []
        self.executed: set[str] = set()
        #: The calls that are awaited.
        self.awaited: set[int] = set()

    # Conditions

    def decide(self, condition: Expr) -> bool:
        """Which way this condition goes on this path."""
        if condition.is_known:
            return bool(condition.const)
        source, positive = condition.canon or (condition.text, True)
        if condition.special and condition.special.what == "login":
            known = {"required": True}.get(self.context.user)
            if known is not None:
                return known is not condition.is_negated
        if source in self.known:
            return self.known[source] == positive
        same = condition.special
        if same and same.what in ("dispatch", "raw"):
            others = [(one, is_true) for one, is_true in self.path.conditions if one.special]
            for one, is_true in others:
                assert one.special is not None
                if (one.special.what, one.special.key) != (same.what, same.key):
                    continue
                if one.special.value == same.value:
                    # The same question in other words: `message["type"]` and `message.get("type")`.
                    return is_true is not condition.is_negated
                if is_true:
                    return condition.is_negated
        index = len(self.taken)
        is_true = self.decisions[index] if index < len(self.decisions) else True
        self.taken.append(is_true)
        self.known[source] = is_true == positive
        if condition.special and condition.special.what == "login" and self.context.user == "django":
            condition = conditions.login_of_django(condition)
        if condition.is_negated:
            self.path.conditions.append((negated(condition), not is_true))
        else:
            self.path.conditions.append((condition, is_true))
        return is_true

    # Effects

    def effect(self, what: str, frame: Frame, node: ast.AST, value: Expr | None = None, group: Any = None) -> None:
        """Notes what the method does."""
        if what in ("close", "leave") and self.path.goes_on_after:
            raise NotUnderstood(f"an except goes on to {what}()", node)
        self.path.effects.append(Effect(what, value, group, frame.source.place(node)))

    def note(self, text: str) -> None:
        if text not in self.path.notes:
            self.path.notes.append(text)

    def evaluates(self, expr: Expr, node: ast.AST, error: type[BaseException] = KeyError) -> Expr:
        """Notes an expression that raises for some values, and returns it."""
        self.may_fail(error, node)
        # The node finds the handler by the type, so it is there.
        if expr.is_known or expr.text == "event.type":
            return expr
        self.needs(Expr(f"{expr.within(CONCAT)} is defined", "bool", COMPARE, expr.sides), expr.text)
        return dataclasses.replace(expr, always=expr.always | {expr.text})

    def perhaps(self, before: int, whole: Expr, node: ast.AST) -> Expr:
        """An expression of which some parts are evaluated only in some cases: it is asked as a whole."""
        if len(self.path.needs) == before or whole.is_known:
            return whole
        self.path.needs[before:] = [need for need in self.path.needs[before:] if need.is_asked]
        return self.evaluates(whole, node)

    def needs(self, condition: Expr, text: str, is_asked: bool = False) -> None:
        """Notes what has to be so, or Python raises."""
        need = Need(condition, text, is_asked)
        if need not in self.path.needs:
            self.path.needs.append(need)

    def may_fail(self, error: type[BaseException], node: ast.AST) -> None:
        """An expression that raises for some values: the node drops the message then."""
        for guard in reversed(self.guards):
            if any(issubclass(error, caught) for caught in guard.catches):
                if not guard.is_quiet:
                    raise NotUnderstood(f"an except does something if it raises {error.__name__}", node)
                self.path.is_caught = True
                self.path.goes_on_after = self.path.goes_on_after or not guard.returns
                return

    # Statements

    def function(self, source: Source, arguments: dict[str, Any], depth: int = 0) -> Any:
        """Runs a function, and returns what it returns."""
        if depth > _DEEPEST:
            raise NotUnderstood(f"{source.name}() calls itself, or too much")
        if source.decorators:
            raise NotUnderstood(f"{source.name}() has the decorator {ast.unparse(source.decorators[0])}")
        if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in source.nodes):
            raise NotUnderstood(f"{source.name}() is a generator")
        self.executed.add(source.name)
        frame = Frame(source, dict(arguments), depth)
        guards, self.guards = self.guards, self.guards if depth else []
        try:
            self.block(source.tree.body, frame)
        except _Returned as returned:
            return returned.value
        finally:
            self.guards = guards
        return constant(None)

    def block(self, statements: list[ast.stmt], frame: Frame) -> None:
        for statement in statements:
            try:
                self.statement(statement, frame)
            except NotUnderstood as error:
                place = frame.source
                if not hasattr(error, "problem"):
                    error.problem = Problem(error.reason, place.place(statement), place.quote(statement))  # type: ignore[attr-defined]
                if not (self.context.goes_on and self.passes_over(statement, error, frame)):
                    raise

    def passes_over(self, statement: ast.stmt, error: NotUnderstood, frame: Frame) -> bool:
        """Goes on after a statement of `connect()` that is not understood; the path is Python's from here on."""
        match statement:
            case ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
                unknown = Unknown(error.reason)
                for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                    with contextlib.suppress(NotUnderstood):
                        self.assign(one, unknown, frame)
            case ast.Expr():
                pass
            case _:
                return False
        # What follows from a statement that is named already is not named again; the path stays Python's.
        if not any(one.reason == error.reason for one in self.path.problems):
            self.path.problems.append(error.problem)  # type: ignore[attr-defined]
        return True

    def statement(self, statement: ast.stmt, frame: Frame) -> None:
        match statement:
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case ast.Expr(value=value):
                if excepts.is_log(self, value, frame):
                    excepts.logged(self, value, frame)
                else:
                    self.value(value, frame)
            case ast.Return(value=value):
                raise _Returned(constant(None) if value is None else self.value(value, frame))
            case ast.If():
                self.block(statement.body if self.truth(statement.test, frame) else statement.orelse, frame)
            case ast.Assign(targets=targets, value=value):
                assigned = self.value(value, frame)
                for target in targets:
                    self.assign(target, assigned, frame)
            case ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self.assign(target, self.value(value, frame), frame)
            case ast.AugAssign(target=ast.Name() as target):
                left = ast.Name(target.id, ast.Load())
                ast.copy_location(left, target)
                both = ast.copy_location(ast.BinOp(left, statement.op, statement.value), statement)
                self.assign(target, self.value(both, frame), frame)
            case ast.Import() | ast.ImportFrom():
                excepts.imported(statement, frame)
            case ast.Delete(targets=targets):
                for one in targets:
                    self.delete(one, frame)
            case ast.Try():
                self.try_(statement, frame)
            case ast.For() if not statement.orelse:
                self.loop(statement, frame)
            case ast.Match():
                self.match(statement, frame)
            case ast.Raise(exc=exc):
                raise Raised(excepts.exception(self, exc, frame), statement)
            case ast.Assert(test=test):
                if not self.truth(test, frame):
                    raise Raised(AssertionError, statement)
            case ast.Break() | ast.Continue():
                raise _Loop(isinstance(statement, ast.Break))
            case _:
                raise NotUnderstood(_KINDS.get(type(statement).__name__, "a statement of its kind"), statement)

    def assign(self, target: ast.expr, value: Any, frame: Frame) -> None:
        match target:
            case ast.Name(id=name):
                frame.names[name] = value
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                if isinstance(value, Unknown):
                    items: list[Any] = [value] * len(targets)
                elif isinstance(value, ListV) and len(value.items) == len(targets):
                    items = value.items
                else:
                    raise NotUnderstood("an assignment to several names", target)
                for one, item in zip(targets, items, strict=True):
                    self.assign(one, item, frame)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                if not self.context.may_set:
                    raise NotUnderstood(f"it keeps self.{name}", target)
                if name.startswith("__") and not name.endswith("__"):
                    raise NotUnderstood(f"self.{name} is another attribute in each class", target)
                if value is Thing.SELF:
                    raise NotUnderstood(f"self.{name} is the consumer itself", target)
                self.path.attributes[name] = value
            case ast.Subscript(value=of, slice=key):
                base, index = self.value(of, frame), self.value(key, frame)
                if not isinstance(base, DictV) or not isinstance(index, Expr) or not isinstance(index.const, str):
                    raise NotUnderstood("an assignment to a part of something", target)
                base.set(index.const, value)
            case _:
                raise NotUnderstood(f"an assignment to {ast.unparse(target)}", target)

    def delete(self, target: ast.expr, frame: Frame) -> None:
        match target:
            case ast.Subscript(value=of, slice=ast.Constant(value=str(key))):
                base = self.value(of, frame)
                if isinstance(base, DictV):
                    base.remove(key)
                    return
            case ast.Name(id=name):
                frame.names.pop(name, None)
                return
        raise NotUnderstood(f"del {ast.unparse(target)}", target)

    def try_(self, statement: ast.Try, frame: Frame) -> None:
        handlers = [(excepts.caught(self, one, frame), one) for one in statement.handlers]
        caught = tuple(error for errors, _ in handlers for error in errors)
        is_quiet = all(excepts.does_nothing(one.body, frame) for _, one in handlers)
        returns = all(isinstance(one.body[-1], ast.Return) for _, one in handlers)
        self.guards.append(_Guard(caught, is_quiet, returns))
        try:
            self.block(statement.body, frame)
        except Raised as raised:
            self.guards.pop()
            for errors, handler in handlers:
                if any(issubclass(raised.error, one) for one in errors):
                    if handler.name:
                        frame.names[handler.name] = Unknown("the text of an exception")
                    self.block(handler.body, frame)
                    break
            else:
                self.block(statement.finalbody, frame)
                raise
        except (_Returned, _Loop):
            self.guards.pop()
            self.block(statement.finalbody, frame)
            raise
        else:
            self.guards.pop()
            self.block(statement.orelse, frame)
        self.block(statement.finalbody, frame)

    def loop(self, statement: ast.For, frame: Frame) -> None:
        items = self.value(statement.iter, frame)
        if isinstance(items, Known):
            if items.varies:
                raise NotUnderstood(items.varies, statement)
            items = from_python(items.value, statement.iter)
        if not isinstance(items, ListV) or len(items.items) > 20:
            raise NotUnderstood("a loop over what only Python knows", statement)
        for item in items.items:
            self.assign(statement.target, item, frame)
            try:
                self.block(statement.body, frame)
            except _Loop as loop:
                if loop.is_break:
                    break

    def match(self, statement: ast.Match, frame: Frame) -> None:
        subject = self.value(statement.subject, frame)
        for case in statement.cases:
            if excepts.fits(self, subject, case.pattern, frame) and (
                case.guard is None or self.truth(case.guard, frame)
            ):
                self.block(case.body, frame)
                return

    # Expressions

    def value(self, node: ast.expr, frame: Frame) -> Any:
        return names.value(self, node, frame)

    def expr(self, node: ast.expr, frame: Frame) -> Expr:
        return to_expr(self.value(node, frame), node)

    def truth(self, node: ast.expr, frame: Frame) -> bool:
        return conditions.truth(self, node, frame)
