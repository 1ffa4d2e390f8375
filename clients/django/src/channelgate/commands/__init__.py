"""The sub-commands of `manage.py channelgate`: a module each, found by its name.

A module has `HELP`, `arguments(parser)` and `handle(options, output)`, which returns the exit status. A module whose
name begins with an underscore is shared by others.
"""

import argparse
import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, Protocol, cast

#: The exit status for a configuration that is not valid, as the node's own.
INVALID = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """Where a sub-command writes: Django's streams and colours."""

    stdout: Any
    stderr: Any
    style: Any

    def line(self, text: str = "") -> None:
        """Writes a line of the result."""
        self.stdout.write(text)

    def error(self, text: str) -> None:
        """Writes a line about what went wrong."""
        self.stderr.write(text)


class SubCommand(Protocol):
    """A module of this package."""

    HELP: str

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def handle(self, options: Mapping[str, Any], output: Output) -> int: ...


@functools.lru_cache(maxsize=1)
def sub_commands() -> dict[str, SubCommand]:
    """Every sub-command by its name."""
    names = sorted(one.name for one in pkgutil.iter_modules(__path__) if not one.name.startswith("_"))
    return {name: cast(SubCommand, importlib.import_module(f"{__name__}.{name}")) for name in names}
