"""An expression of channelgate.toml as a tree."""

import dataclasses
from collections.abc import Iterator
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Constant:
    """Text, a number, true, false or none."""

    value: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Name:
    """`event`."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """`event.order`, `event['order']`, `args[0]`; the key is None where it is computed."""

    of: "Node"
    key: str | int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """`{'type': 'order', **}`: pairs in order; the key is None where it is computed."""

    items: tuple[tuple[str | None, "Node"], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """`[1, 2]`."""

    items: tuple["Node", ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Called:
    """`now('epoch')`, `event.get('x')`."""

    function: "Node"
    arguments: tuple["Node", ...]
    named: tuple[tuple[str, "Node"], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Filtered:
    """`event.n | default(0)`."""

    of: "Node"
    name: str
    arguments: tuple["Node", ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """`a + b`, `not a`, `a is defined`: an operator and what it takes."""

    operator: str
    operands: tuple["Node", ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """`a if b else c`."""

    then: "Node"
    condition: "Node"
    otherwise: "Node | None"


Node = Constant | Name | Key | Table | Listed | Called | Filtered | Operation | Choice


def children(node: Node) -> Iterator[Node]:
    """The parts of a node."""
    match node:
        case Key():
            yield node.of
        case Table():
            yield from (value for _, value in node.items)
        case Listed():
            yield from node.items
        case Called():
            yield from (node.function, *node.arguments, *(value for _, value in node.named))
        case Filtered():
            yield from (node.of, *node.arguments)
        case Operation():
            yield from node.operands
        case Choice():
            yield from (node.then, node.condition, *(() if node.otherwise is None else (node.otherwise,)))


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)
