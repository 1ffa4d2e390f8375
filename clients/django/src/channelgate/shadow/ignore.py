"""Paths of `--ignore`: `$.at`, `$.data.at`, `$.items[*].id`, `$.items[0]`, `$..at`."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

_STEP = re.compile(r"\.\.(?P<deep>[\w-]+)|\.(?P<key>[\w-]+|\*)|\[(?P<index>\d+|\*)\]|\['(?P<quoted>[^']*)'\]")
#: Every key or every index.
ANY = "*"


class WrongPath(Exception):
    """The text says what is wrong with a path."""


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One step down: a key, an index, `*`, or a key at any depth."""

    key: str | int
    deep: bool = False

    def takes(self, key: str | int) -> bool:
        """Whether it leads to this key."""
        return self.key in (ANY, key)


Path = tuple[Step, ...]


def parse(text: str) -> Path:
    """A path as it is written on the command line."""
    steps: list[Step] = []
    position = 1
    while position < len(text) and text.startswith("$"):
        found = _STEP.match(text, position)
        if found is None:
            break
        kind = found.lastgroup
        value = found[str(kind)]
        number = kind == "index" and value != ANY
        steps.append(Step(int(value) if number else value, kind == "deep"))
        position = found.end()
    if not steps or position != len(text):
        raise WrongPath(f"--ignore {text}: write a path such as $.at, $.data.at, $.items[*].id or $..at")
    return tuple(steps)


def without(value: Any, paths: Sequence[Path]) -> Any:
    """The value without what the paths lead to."""
    for path in paths:
        value = _without(value, path)
    return value


def _without(value: Any, path: Path) -> Any:
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        kept: list[tuple[str, Any]] = []
        for key, inner in value.items():
            if step.takes(key):
                if not rest:
                    continue
                inner = _without(inner, rest)
            kept.append((key, _without(inner, path) if step.deep else inner))
        return dict(kept)
    if isinstance(value, list):
        items: list[Any] = []
        for index, inner in enumerate(value):
            if step.deep:
                items.append(_without(inner, path))
            elif not step.takes(index):
                items.append(inner)
            elif rest:
                items.append(_without(inner, rest))
        return items
    return value
