"""Check of the node's file against the consumers that it was made from: I001."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.checks import CheckMessage, Info
from django.core.exceptions import ImproperlyConfigured

from channelgate.inspection.sources import shown, source_files
from channelgate.nodefile import find


def check_file(**_: Any) -> list[CheckMessage]:
    """Whether the file is as new as the consumers' source."""
    try:
        path = find()
    except ImproperlyConfigured:
        return []
    if path is None:
        return []
    made = path.stat().st_mtime
    return [
        Info(
            f"{path.name} is older than {shown(source)}; run manage.py channelgate init --check.",
            hint="Silence it with touch if nothing that clients see has changed.",
            id="channelgate.I001",
        )
        for source in consumer_files()
        if source.stat().st_mtime > made
    ]


def consumer_files() -> Iterator[Path]:
    """The modules of consumers and of routes in the project's own apps."""
    for path in source_files():
        if path.stem in ("consumers", "consumer", "routing") or path.parent.name == "consumers":
            yield path
