"""`connect()` as configuration: who is admitted, which groups it joins, what it sends at the beginning."""

import dataclasses
import functools
import operator
from typing import Any

from channelgate.translate import effects, literals, steps
from channelgate.translate.attributes import attributes
from channelgate.translate.explore import explore
from channelgate.translate.expressions import constant, text_of
from channelgate.translate.paths import Context, Effect, Path, Problem
from channelgate.translate.source import Class
from channelgate.translate.values import CONNECTION, Expr, NotUnderstood, Thing, Unknown


@dataclasses.dataclass(slots=True)
class Admission:
    """What becomes of `connect()`. With problems it stays in Python."""

    #: "absent": nobody asks who the client is; "required"; "optional".
    user: str = "absent"
    groups: list[str] = dataclasses.field(default_factory=list)
    #: The same as expressions.
    joined: list[Expr] = dataclasses.field(default_factory=list)
    requires: list[str] = dataclasses.field(default_factory=list)
    #: Close codes after `accept()`: of a client without a login, and of one that `requires` refuses.
    close: int | None = None
    refusals: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    subprotocols: list[str] = dataclasses.field(default_factory=list)
    on_connect: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class _Outcome:
    """How one path ends: the client is admitted, or refused, with this code if it was accepted before."""

    is_admitted: bool
    code: int | None = None
    is_silent: bool = False


class _Not(Exception):
    """It stays in Python, because of this."""

    def __init__(self, reason: str, path: Path | None = None, effect: Effect | None = None):
        super().__init__(reason)
        place = effect.place if effect else ""
        self.problems = path.problems if path and path.problems else [Problem(reason, place, "")]


def translate(context: Context) -> Admission:
    """The admission of a consumer; `context` says what is known of its route and its user."""
    cls = context.cls
    admission = Admission()
    try:
        _native(context, admission)
    except _Not as error:
        admission.problems = [_placed(one, cls) for one in error.problems]
    except NotUnderstood as error:
        admission.problems = [_placed(getattr(error, "problem", None) or Problem(error.reason, "", ""), cls)]
    return admission


def _placed(problem: Problem, cls: Class) -> Problem:
    source = cls.methods.get("connect")
    place = problem.place or (source.place() if source else cls.place)
    return Problem(problem.reason, place, problem.quote)


def paths_of(context: Context, user: str) -> list[Path]:
    """The ways through `connect()`, with what is known of the user."""
    known = dataclasses.replace(context, user=user, may_set=True, goes_on=True)
    known.attributes = {**context.attributes, **_made(known)}
    source = context.cls.method("connect")
    if source is None:
        if context.cls.method("accept") is not None:
            raise NotUnderstood("connect() of Channels calls accept(), which is the consumer's own")
        return [Path([], [Effect("accept")], dict(known.attributes))]
    return explore(known, source)


def _made(context: Context) -> dict[str, Any]:
    """The attributes that `__init__` sets."""
    source = context.cls.method("__init__")
    if source is None:
        return {}
    paths = explore(context, source, {name: Unknown(f"{name} of __init__()") for name in source.every_parameter})
    if len(paths) != 1 or paths[0].end == "python" or paths[0].effects:
        return {name: Unknown(f"self.{name}, which __init__() sets") for path in paths for name in path.attributes}
    return paths[0].attributes


def _native(context: Context, admission: Admission) -> None:
    first = paths_of(context, "open" if context.user != "absent" else "absent")
    outcomes = [_outcome(path) for path in first]
    admitted = [path for path, outcome in zip(first, outcomes, strict=True) if outcome.is_admitted]
    if not admitted:
        raise _Not("connect() never accepts, as far as its source says")
    asks = {path.asks("login") for path in admitted}
    if asks == {True}:
        admission.user = "required"
    elif any(path.asks("login") is not None for path in first) or any(map(_names_user, first)):
        admission.user = "optional"
    admission.close = _login_code(first, outcomes)
    paths = paths_of(context, admission.user) if admission.user != "absent" else first
    _conditions(paths, admission)
    _groups(context, paths, admission)
    admission.attributes = attributes(context, [path for path in paths if _outcome(path).is_admitted])


def _outcome(path: Path) -> _Outcome:
    from channels.exceptions import AcceptConnection, DenyConnection

    if path.problems:
        raise _Not("", path)
    kinds = [effect.what for effect in path.effects]
    has_accept, has_close = "accept" in kinds, "close" in kinds
    if path.end == "raise" and path.error is AcceptConnection and not has_accept and not has_close:
        path.effects.append(Effect("accept"))
        kinds.append("accept")
        has_accept = True
    elif path.end == "raise" and path.error is DenyConnection and not has_accept:
        has_close = True
    elif path.end == "raise" and has_accept and not has_close:
        raise _Not("it raises after accept()", path)
    if kinds.count("accept") > 1 or kinds.count("close") > 1:
        raise _Not("it accepts or closes twice")
    accept = kinds.index("accept") if has_accept else len(kinds)
    for effect in path.effects[:accept]:
        if effect.what.startswith("send"):
            raise _Not("it sends before accept()", effect=effect)
    if not has_accept:
        for effect in path.effects:
            if effect.what == "publish":
                raise _Not("it publishes for a client that it refuses", effect=effect)
        return _Outcome(False, is_silent=not has_close and path.end != "raise")
    if not has_close:
        return _Outcome(True)
    close = kinds.index("close")
    if close < accept:
        raise _Not("it accepts after close()", effect=path.effects[accept])
    for effect in path.effects:
        if effect.what in ("publish", "send", "send_text", "send_raw"):
            raise _Not("it sends something to a client that it refuses", effect=effect)
    code = path.effects[close].value
    if code is None or not isinstance(code.const, int):
        raise _Not("a close code that is not a constant", effect=path.effects[close])
    return _Outcome(False, code.const)


def _names_user(path: Path) -> bool:
    """Whether the user decides, or is a part of, anything on this path."""
    exprs = [condition for condition, _ in path.conditions]
    exprs += [one for effect in path.effects for one in (effect.value, effect.group) if one is not None]
    if any("user" in one.sides for one in exprs):
        return True
    return any(
        value is Thing.USER or (isinstance(value, Expr) and "user" in value.sides) for value in path.attributes.values()
    )


def _login_code(paths: list[Path], outcomes: list[_Outcome]) -> int | None:
    """The close code of clients without a login, None for 403."""
    refused = {
        outcome.code
        for path, outcome in zip(paths, outcomes, strict=True)
        if not outcome.is_admitted and path.asks("login") is False
    }
    if len(refused) > 1:
        raise _Not("clients without a login are refused in more than one way")
    return refused.pop() if refused else None


def _conditions(paths: list[Path], admission: Admission) -> None:
    """What the admitted have in common, and how others are refused."""
    login = admission.user == "optional"
    outcomes = [_outcome(path) for path in paths]
    admitted = [path for path, one in zip(paths, outcomes, strict=True) if one.is_admitted]
    keys = [{literals.key(one) for one in literals.of(path, login)} for path in admitted]
    common = set.intersection(*keys) if keys else set()
    required = [one for one in literals.of(admitted[0], login) if literals.key(one) in common]
    codes: dict[tuple[str, bool], set[int | None]] = {literals.key(one): set() for one in required}
    for path, outcome in zip(paths, outcomes, strict=True):
        if outcome.is_admitted:
            continue
        broken = [
            key for key in codes if any(literals.key(one) == (key[0], not key[1]) for one in literals.of(path, login))
        ]
        if not broken:
            if path.end == "raise":
                # The node fails on the same value, and refuses as well.
                continue
            raise _Not("who is refused depends on more than one condition at a time")
        codes[broken[0]].add(outcome.code)
        if outcome.is_silent:
            admission.notes.append("connect() may neither accept nor close: the node refuses such a client at once")
    for path in admitted:
        for need in literals.needed(path):
            if need.text not in admission.requires:
                admission.requires.append(need.text)
    for literal in required:
        expr = literals.written(literal)
        found = codes[literals.key(literal)] or {None}
        if expr.sides - CONNECTION or "channel_name" in expr.sides:
            raise _Not(f"who is admitted depends on {expr.text}")
        if len(found) > 1:
            raise _Not("one condition refuses in more than one way")
        code = found.pop()
        if code is None:
            if admission.close is not None:
                raise _Not("some are refused before accept(), others after it")
            admission.requires.append(expr.text)
        else:
            refusal = {"text": "Forbidden", "code": code}
            admission.refusals.append({"when": literals.written((literal[0], not literal[1])).text, "refuse": refusal})


def _groups(context: Context, paths: list[Path], admission: Admission) -> None:
    login = admission.user == "optional"
    admitted = [path for path in paths if _outcome(path).is_admitted]
    required = set.intersection(*[{literals.key(one) for one in literals.of(path, login)} for path in admitted])
    free = [_without(path, required) for path in admitted]
    if any(effect.what == "leave" for path in admitted for effect in path.effects):
        raise _Not("connect() leaves a group")
    for name in class_groups(context.cls):
        _join(admission, text_of([constant(name)]))
    joins: dict[str, Expr] = {}
    for path in admitted:
        for effect in path.effects:
            if effect.what == "join" and effect.group is not None:
                joins.setdefault(effect.group.text, effect.group)
    for text, group in joins.items():
        condition = literals.when(free, functools.partial(_joins, text), login)
        if condition is None:
            _join(admission, group)
            continue
        if not group.is_known or condition.sides - CONNECTION:
            raise _Not(f"whether it joins {effects.template(group)} depends on {condition.text}")
        admission.groups.append(f"{{{{ [{group.text}] if {condition.within(8)} else [] }}}}")
        admission.joined.append(group)
    chosen = {tuple(_subprotocols(path)) for path in admitted}
    if len(chosen) > 1:
        raise _Not("the subprotocol depends on a condition")
    admission.subprotocols = list(chosen.pop())
    begins = {repr(_beginning(path)) for path in admitted}
    for index, path in enumerate(free):
        condition = None
        if len(begins) > 1:
            condition = literals.when(free, functools.partial(operator.is_, path), login)
        elif index:
            break
        made = steps.steps(_beginning(path), condition.text if condition else None)
        admission.on_connect.extend(made)
    for path in admitted:
        admission.notes.extend(note for note in path.notes if note not in admission.notes)


def _join(admission: Admission, group: Expr) -> None:
    admission.groups.append(effects.template(group))
    admission.joined.append(group)
    for one in effects.unsafe(group):
        if one.kind == "any":
            raise _Not(f"{one.text} in the name of a group may be no text")
        rule = f"{one.text} | slug == {one.text}"
        if one.rank:
            rule = f"({one.text}) | slug == ({one.text})"
        if rule not in admission.requires:
            admission.requires.append(rule)
            admission.notes.append(f"{one.text}: Channels refuses other characters in the name of a group")


def _joins(text: str, path: Path) -> bool:
    return any(effect.what == "join" and effect.group and effect.group.text == text for effect in path.effects)


def _subprotocols(path: Path) -> list[str]:
    found = [effect.value.const for effect in path.effects if effect.what == "accept" and effect.value is not None]
    return [str(one) for one in found]


def _beginning(path: Path) -> list[Effect]:
    """What it sends and publishes."""
    return [effect for effect in path.effects if effect.what in ("send", "send_text", "publish")]


def _without(path: Path, required: set[tuple[str, bool]]) -> Path:
    """The path without the conditions that all have."""
    kept = [one for one in path.conditions if one[0].special or literals.key(one) not in required]
    kept = [one for one in kept if literals.key(one) not in required]
    return dataclasses.replace(path, conditions=kept)


def class_groups(cls: Class) -> list[str]:
    """The attribute `groups` of the class."""
    found = cls.find("groups")
    names = found[1] if found else None
    if names is None:
        return []
    if not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in names) or "groups" in cls.stores:
        raise _Not("the attribute groups is not a list of texts")
    return [effects.template(effects.group(constant(name), None)) for name in names]  # type: ignore[arg-type]
