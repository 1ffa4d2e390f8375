"""Check of the node's file that it can be read: W010; and against the consumers that it was made from: I001."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.checks import CheckMessage, Info, Warning
from django.core.exceptions import ImproperlyConfigured

from channelgate.inspection.sources import shown, source_files
from channelgate.nodefile import NodeFileError, find, read

HINT = "No node starts with it. channelgate check says all that is wrong with a file of valid TOML."


def check_file(**_: Any) -> list[CheckMessage]:
    """Whether the file is as new as the consumers' source."""
    try:
        path = find()
    except ImproperlyConfigured:
        return []
    if path is None:
        return []
    try:
        read(path)
        made = path.stat().st_mtime
    except (NodeFileError, OSError) as error:
        return [Warning(f"{error}.", hint=HINT, id="channelgate.W010")]
    return [
        Info(
            f"{path.name} is older than {shown(source)}; run manage.py channelgate init --check.",
            hint="Silence it with touch if nothing that clients see has changed.",
            id="channelgate.I001",
        )
        for source in consumer_files()
        if _changed(source) > made
    ]


def _changed(source: Path) -> float:
    """When a module was changed; the beginning of time for one that has just gone, or a link to nothing."""
    try:
        return source.stat().st_mtime
    except OSError:
        return 0.0


def consumer_files() -> Iterator[Path]:
    """The modules of consumers and of routes in the project's own apps."""
    for path in source_files():
        if path.stem in ("consumers", "consumer", "routing") or path.parent.name == "consumers":
            yield path
