"""Finds and reads channelgate.toml: `CHANNELGATE["CONFIG"]`, else beside manage.py."""

import importlib
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

from channelgate.conf import conf
from channelgate.nodefile.consumers import NodeFile

NAME = "channelgate.toml"


class NodeFileError(Exception):
    """The file cannot be read; the text says where and why."""


def place() -> Path:
    """Where the file is, or would be."""
    named = getattr(conf(), "config", None)
    if named:
        return Path(named)
    base = getattr(settings, "BASE_DIR", None)
    if base is not None:
        return Path(base) / NAME
    program = Path(sys.argv[0] or ".")
    return (program.resolve().parent if program.name == "manage.py" else Path.cwd()) / NAME


def read(path: Path | None = None) -> NodeFile | None:
    """The file, or None if there is none."""
    path = path or place()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise NodeFileError(f"{path} cannot be read: {error}") from None
    toml = _library()
    try:
        return NodeFile(path, toml.loads(text))
    except toml.TOMLDecodeError as error:
        raise NodeFileError(f"{path}: {error}") from None


def _library() -> Any:
    for name in ("tomllib", "tomli"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise NodeFileError("Python 3.10 cannot read channelgate.toml by itself: pip install tomli")
