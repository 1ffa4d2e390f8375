"""Reads channelgate.toml."""

import importlib
import sys
from pathlib import Path
from typing import Any

from channelgate.nodefile.consumers import NodeFile
from channelgate.nodefile.place import NAME, place


class NodeFileError(Exception):
    """The file cannot be read; the text says where and why."""


def read(path: Path | None = None) -> NodeFile | None:
    """The file at `path`, or the project's; None if it does not exist."""
    path = path or place()
    try:
        return NodeFile(path, loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NodeFileError(f"{path} cannot be read: {error}") from None
    except ValueError as error:
        raise NodeFileError(f"{path}: {error}") from None


def read_or_empty(path: Path | None) -> NodeFile:
    """The file for code that only asks what it sets: empty without one, or if the node has to say what is wrong."""
    try:
        found = read(path) if path is not None else None
    except NodeFileError:
        found = None
    return found or NodeFile(path or Path(NAME), {})


def loads(text: str) -> dict[str, Any]:
    """TOML; a `ValueError` if it is not valid."""
    # Python 3.10 has no reader of its own; the package depends on tomli there.
    reader = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return dict(reader.loads(text))
