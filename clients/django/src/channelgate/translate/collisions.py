"""Groups of different templates that can have one name: the node refuses such a client, Channels shares the group."""

import re
from collections.abc import Iterator

from channelgate.translate.bridged import whole
from channelgate.translate.effects import template
from channelgate.translate.outcome import NATIVE, Verdict
from channelgate.translate.values import Expr

#: What a value of this kind can be in a name, and one that any other kind of text could be.
_FORMS = {"int": (r"\d+", "7"), "digits": (r"\d+", "7"), "uuid": (r"[0-9a-f-]{36}", "0" * 36)}
_TEXT = (r"[A-Za-z0-9_.-]+", "x")


def settled(verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts; a consumer whose group another template can name as well is left to Django."""
    groups = [(verdict, group) for verdict in verdicts for group in verdict.joined]
    found = list(verdicts)
    for index, verdict in enumerate(verdicts):
        if verdict.kind != NATIVE:
            continue
        for group in verdict.joined:
            other = next((one for _, one in groups if _may_be(group, one)), None)
            if other is not None:
                reason = f"{template(group)} can be the name of {template(other)}, which the node keeps apart"
                found[index] = whole(verdict.route, verdict.login, [reason])
                break
    return found


def _may_be(group: Expr, other: Expr) -> bool:
    """Whether a value of the first gives a name of the second, which has more text."""
    if template(group) == template(other) or not any(not one.is_known for one in _parts(group)):
        return False
    expression = "".join(re.escape(str(one.const)) if one.is_known else _form(one)[0] for one in _parts(group))
    name = "".join(str(one.const) if one.is_known else _form(one)[1] for one in _parts(other))
    return _text(other) > _text(group) and bool(re.fullmatch(expression, name))


def _text(group: Expr) -> int:
    return sum(len(str(one.const)) for one in _parts(group) if one.is_known)


def _parts(group: Expr) -> Iterator[Expr]:
    yield from group.parts or (group,)


def _form(part: Expr) -> tuple[str, str]:
    return _FORMS.get(part.kind, _TEXT)
