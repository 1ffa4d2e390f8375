"""The conditions of paths as one condition: when an effect happens."""

from collections.abc import Callable, Sequence

from channelgate.translate.expressions import combined, constant, negated
from channelgate.translate.paths import Path
from channelgate.translate.values import Expr

Literal = tuple[Expr, bool]


def of(path: Path, login: bool = False) -> list[Literal]:
    """The conditions of a path that the node has to ask: with `login` also whether somebody is logged in."""
    kept = []
    for condition, is_true in path.conditions:
        if condition.special is None or (login and condition.special.what == "login"):
            kept.append((condition, is_true))
    return kept


def needed(path: Path, asked: Expr | None = None) -> list[Expr]:
    """What Python evaluates on this path, and the node neither for the condition that it asks nor for an effect."""
    done = [one for effect in path.effects for one in (effect.value, effect.group) if one is not None]
    # Who handles a message is decided by its key, so it is there.
    done += [condition for condition, _ in path.conditions if condition.special]
    evaluated = frozenset().union(*(one.always for one in done))
    if asked is not None:
        evaluated |= asked.always | asked.if_true
    return [need.condition for need in path.needs if need.is_asked or need.text not in evaluated]


def key(literal: Literal) -> tuple[str, bool]:
    condition, is_true = literal
    source, positive = condition.canon or (condition.text, True)
    return source, positive == is_true


def written(literal: Literal) -> Expr:
    """A condition as it has to be, negated or not."""
    condition, is_true = literal
    return condition if is_true else negated(condition)


def conjunction(literals: Sequence[Literal]) -> Expr | None:
    """All of these; None without any."""
    exprs = [written(one) for one in literals]
    if not exprs:
        return None
    return exprs[0] if len(exprs) == 1 else combined(True, exprs)


def when(paths: Sequence[Path], holds: Callable[[Path], bool], login: bool = False) -> Expr | None:
    """When one of the paths is taken for which `holds` is true: None for always, false for never."""
    found = _tree([(of(path, login), holds(path)) for path in paths])
    needs = {one.text: one for path in paths if holds(path) for one in needed(path, found)}
    if needs and not (found.is_known and not found.const):
        return combined(True, [*([] if found.is_known else [found]), *needs.values()])
    if found.is_known:
        return None if found.const else constant(False)
    return found


def _tree(paths: list[tuple[list[Literal], bool]]) -> Expr:
    outcomes = {is_true for _, is_true in paths}
    if len(outcomes) <= 1 or all(not literals for literals, _ in paths):
        return constant(any(outcomes))
    first = next(literals[0] for literals, _ in paths if literals)
    source = key((first[0], True))
    sides: dict[bool, list[tuple[list[Literal], bool]]] = {True: [], False: []}
    for literals, is_true in paths:
        if literals and key((literals[0][0], True))[0] == source[0]:
            sides[key(literals[0]) == source].append((literals[1:], is_true))
        else:
            # It does not ask this: it is on both sides.
            for one in sides.values():
                one.append((literals, is_true))
    yes, no = _tree(sides[True]), _tree(sides[False])
    asked, unasked = first[0], negated(first[0])
    if yes.is_known and no.is_known:
        if yes.const == no.const:
            return yes
        return asked if yes.const else unasked
    if yes.is_known:
        return combined(False, [asked, no]) if yes.const else combined(True, [unasked, no])
    if no.is_known:
        return combined(False, [unasked, yes]) if no.const else combined(True, [asked, yes])
    if yes.text == no.text:
        return yes
    return combined(False, [combined(True, [asked, yes]), combined(True, [unasked, no])])


def shape(path: Path) -> tuple[tuple[str, str, str], ...]:
    """What a path does, to compare it with others."""
    return tuple(
        (one.what, one.value.text if one.value else "", one.group.text if one.group else "") for one in path.effects
    )


def does(wanted: tuple[tuple[str, str, str], ...]) -> Callable[[Path], bool]:
    """Whether a path ends well and does exactly this."""
    return lambda path: path.end == "return" and shape(path) == wanted
