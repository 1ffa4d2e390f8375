"""What each key of the configuration changes that can be seen from outside: two values, and what is then seen.

Every key has a row in one of the tables here, under the name that docs/CONFIGURATION.md gives it; a unit test holds
that page against the keys of the program. What a row looks at is what clients, Django, Redis or an operator see: never
the configuration as the program shows it.
"""

import dataclasses
import re
from collections.abc import Awaitable, Callable

import stack

PAGE = stack.ROOT / "docs" / "CONFIGURATION.md"


def keys() -> list[str]:
    """Every key there is, as the page lists them."""
    found, of_keys = [], False
    for line in PAGE.read_text().splitlines():
        of_keys = line.startswith("| key |") or (of_keys and line.startswith("|"))
        if of_keys and (row := re.match(r"\| `([^`]+)`", line)):
            found.append(row[1])
    return found


#: Given a place, what is seen there.
Look = Callable[..., Awaitable[object]]


@dataclasses.dataclass(frozen=True)
class OfNode:
    """A key of the whole node: each of two values has a node of its own."""

    #: As TOML; None is not set.
    one: str | None
    two: str | None
    #: What is seen, of a `world.Site`.
    look: Look
    #: What is seen with the one and with the other; or a relation of both.
    seen: tuple[object, object] | Callable[[object, object], bool]
    #: What else the nodes are told: their consumers, and variables by the keys that they set.
    config: str = ""
    beside: dict[str, str] = dataclasses.field(default_factory=dict)
    #: A Redis that nobody else uses.
    alone: bool = False
    #: The name of the key where it is not the row's: an element of a list, or a preset.
    variable: str | None = None
    #: `one` and `two` are texts of the file and no values of a variable.
    in_file: bool = False


@dataclasses.dataclass(frozen=True)
class OfConsumer:
    """A key of a consumer: two consumers of one node that differ in nothing else."""

    #: What stands in the place of `{key}` in the body.
    one: str
    two: str
    #: What is seen, of a `world.Place`.
    look: Look
    seen: tuple[object, object] | Callable[[object, object], bool]
    #: The consumer without its path and name.
    body: str = "{key}"
    protocol: str = "websocket"
    #: A path behind the consumer's own, such as `<int:id>/`.
    route: str = ""
    #: A namespace of another name than the consumer's.
    namespace: str = ""


def differ(row: OfNode | OfConsumer, first: object, second: object) -> str | None:
    """What is wrong with what was seen, if something is."""
    if callable(row.seen):
        return None if row.seen(first, second) else f"one gives {first!r}, two gives {second!r}"
    assert row.seen[0] != row.seen[1], "a row that tells nothing apart"
    if (first, second) == row.seen:
        return None
    return f"one gives {first!r} and not {row.seen[0]!r}; two gives {second!r} and not {row.seen[1]!r}"
