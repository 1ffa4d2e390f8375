"""Groups of different templates that can have one name: the node refuses such a client, Channels shares the group."""

import bisect
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

from channelgate.translate.bridged import whole
from channelgate.translate.effects import template
from channelgate.translate.outcome import NATIVE, Verdict
from channelgate.translate.values import Expr

#: What a value of this kind can be in a name, and one that any other kind of text could be.
_FORMS = {"int": (r"\d+", "7"), "digits": (r"\d+", "7"), "uuid": (r"[0-9a-f-]{36}", "0" * 36)}
_TEXT = (r"[A-Za-z0-9_.-]+", "x")


def settled(verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts; a consumer whose group another template can name as well is left to Django."""
    named = _Names(group for verdict in verdicts for group in verdict.joined)
    found = list(verdicts)
    for index, verdict in enumerate(verdicts):
        if verdict.kind != NATIVE:
            continue
        for group in verdict.joined:
            other = named.also(group)
            if other is not None:
                reason = f"{template(group)} can be the name of {template(other)}, which the node keeps apart"
                found[index] = whole(verdict.route, verdict.login, [reason])
                break
    return found


class _Names:
    """The groups of a project, each once, by a name that each can have."""

    def __init__(self, groups: Iterable[Expr]) -> None:
        unique: dict[Any, Expr] = {}
        for group in groups:
            unique.setdefault(_key(group), group)
        self.groups = list(unique.values())
        self.names = sorted((_name(group), index) for index, group in enumerate(self.groups))
        self.found: dict[Any, Expr | None] = {}

    def also(self, group: Expr) -> Expr | None:
        """The first group of another template of which this one can have a name."""
        key = _key(group)
        if key not in self.found:
            before = "".join(str(one.const) for one in itertools.takewhile(lambda one: one.is_known, _parts(group)))
            near = []
            for at in range(bisect.bisect_left(self.names, (before, -1)), len(self.names)):
                name, index = self.names[at]
                if not name.startswith(before):
                    break
                near.append(index)
            self.found[key] = next((self.groups[one] for one in sorted(near) if _may_be(group, self.groups[one])), None)
        return self.found[key]


def _key(group: Expr) -> Any:
    return template(group), tuple(_form(one) for one in _parts(group) if not one.is_known)


def _may_be(group: Expr, other: Expr) -> bool:
    """Whether a value of the first gives a name of the second, which has more text."""
    if template(group) == template(other) or not any(not one.is_known for one in _parts(group)):
        return False
    expression = "".join(re.escape(str(one.const)) if one.is_known else _form(one)[0] for one in _parts(group))
    return _text(other) > _text(group) and bool(re.fullmatch(expression, _name(other)))


def _name(group: Expr) -> str:
    """A name that the group can have."""
    return "".join(str(one.const) if one.is_known else _form(one)[1] for one in _parts(group))


def _text(group: Expr) -> int:
    return sum(len(str(one.const)) for one in _parts(group) if one.is_known)


def _parts(group: Expr) -> Iterator[Expr]:
    yield from group.parts or (group,)


def _form(part: Expr) -> tuple[str, str]:
    return _FORMS.get(part.kind, _TEXT)
