"""How a node is started with a project's settings: its program, its arguments, and its environment.

The order of precedence, lowest first: Django's settings, the node's file, `CHANNELGATE…` of the environment.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from channelgate import binary
from channelgate.derive import Derived, Variable, derived
from channelgate.derive.values import generic
from channelgate.nodefile import NodeFile, read_or_empty

#: Variables that the node reads and projects use for themselves: their meaning here is what the settings make of them.
SHARED = ("REDIS_URL", "DJANGO_SECRET_KEY")


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What is run."""

    argv: tuple[str, ...]
    environ: dict[str, str]
    derived: Derived
    #: The derived variables that are used; the others are set by the file or by the environment.
    used: tuple[Variable, ...]
    config: Path | None


def plan(
    config: Path | None,
    environ: Mapping[str, str] | None = None,
    *,
    backend: str | None = None,
    listen: str | None = None,
    proxy: bool = False,
    command: str = "serve",
) -> Plan:
    """The plan for a node with this file, or with the built-in presets."""
    environ = os.environ if environ is None else environ
    found = derived(backend=backend, listen=listen, proxy=proxy)
    used = used_variables(found, read_or_empty(config), environ)
    given = {name: value for name, value in environ.items() if name not in SHARED and name != "CHANNELGATE_CONFIG"}
    argv = [str(binary.find()), command, *(["--config", str(config)] if config is not None else [])]
    for one in used:
        if one.is_option:
            # The node would prefer this variable.
            given.pop(one.generic, None)
    return Plan(tuple(argv), {**given, **{one.name: one.value for one in used}}, found, used, config)


def used_variables(found: Derived, file: NodeFile, environ: Mapping[str, str]) -> tuple[Variable, ...]:
    """What neither the file nor the environment says itself, and what has an effect."""

    def is_used(one: Variable) -> bool:
        if one.is_option:
            return True
        if file.sets(one.key, *one.beside) or _given(one, environ):
            return False
        return one.only_with is None or file.has_auth(one.only_with)

    return tuple(filter(is_used, found.variables))


def _given(one: Variable, environ: Mapping[str, str]) -> bool:
    """Whether the environment sets the key, by either of its names."""
    names = {one.name} - set(SHARED) | {generic(key) for key in (one.key, *one.beside)}
    return any(environ.get(name) for name in names)
