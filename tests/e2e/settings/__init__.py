"""The visible effect of each key of the configuration: two values, and what is observed with each.

Every key has a row in one of the tables here, under its name in docs/CONFIGURATION.md; a unit test compares that page
with the keys of the program. A row observes what clients, Django, Redis or an operator see: never the configuration as
the program prints it.
"""

import dataclasses
import re
from collections.abc import Awaitable, Callable

import stack

PAGE = stack.ROOT / "docs" / "CONFIGURATION.md"


def keys() -> list[str]:
    """All keys, as the page lists them."""
    found, of_keys = [], False
    for line in PAGE.read_text().splitlines():
        of_keys = line.startswith("| key |") or (of_keys and line.startswith("|"))
        if of_keys and (row := re.match(r"\| `([^`]+)`", line)):
            found.append(row[1])
    return found


#: Observes a place.
Look = Callable[..., Awaitable[object]]


@dataclasses.dataclass(frozen=True)
class OfNode:
    """A key of the whole node: each of the two values has its own node."""

    #: As TOML; None is unset.
    one: str | None
    two: str | None
    #: The observation, of a `world.Site`.
    look: Look
    #: The results with the first and the second value; or a relation between them.
    seen: tuple[object, object] | Callable[[object, object], bool]
    #: Further configuration of the nodes: their consumers, and variables by the keys that they set.
    config: str = ""
    beside: dict[str, str] = dataclasses.field(default_factory=dict)
    #: A Redis that no other row uses.
    alone: bool = False
    #: The name of the key if it is not the row's: an element of a list, or a preset.
    variable: str | None = None
    #: `one` and `two` are texts of the file and not values of a variable.
    in_file: bool = False


@dataclasses.dataclass(frozen=True)
class OfConsumer:
    """A key of a consumer: two consumers of one node that differ in nothing else."""

    #: The text for `{key}` in the body.
    one: str
    two: str
    #: The observation, of a `world.Place`.
    look: Look
    seen: tuple[object, object] | Callable[[object, object], bool]
    #: The consumer without its path and name.
    body: str = "{key}"
    protocol: str = "websocket"
    #: A path after the consumer's own, such as `<int:id>/`.
    route: str = ""
    #: A namespace with another name than the consumer's.
    namespace: str = ""


def differ(row: OfNode | OfConsumer, first: object, second: object) -> str | None:
    """What is wrong with the results, if anything."""
    if callable(row.seen):
        return None if row.seen(first, second) else f"one gives {first!r}, two gives {second!r}"
    assert row.seen[0] != row.seen[1], "a row whose values have the same result"
    if (first, second) == row.seen:
        return None
    return f"one gives {first!r} and not {row.seen[0]!r}; two gives {second!r} and not {row.seen[1]!r}"
