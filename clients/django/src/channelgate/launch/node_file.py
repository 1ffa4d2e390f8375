"""The node's file: where it is, and which keys it sets."""

import dataclasses
import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from channelgate.conf import conf

#: The name of the file that `manage.py channelgate init` writes.
NAME = "channelgate.toml"


@dataclasses.dataclass(frozen=True, slots=True)
class NodeFile:
    """What the file says; empty if there is none, or if it cannot be read: the node says why."""

    content: Mapping[str, Any]

    def sets(self, *keys: str) -> bool:
        """Whether the file has one of the keys."""
        return any(_at(self.content, key) is not None for key in keys)

    def has_auth(self, method: str) -> bool:
        """Whether a consumer of the file, or a preset as the file changes it, admits by this method."""
        return any(method in (one.get("auth") or ()) for one in self.consumers())

    def consumers(self) -> Iterator[Mapping[str, Any]]:
        """The file's consumers and its changes to presets."""
        given = self.content.get("consumer")
        presets = self.content.get("preset")
        yield from (one for one in given or () if isinstance(one, Mapping))
        yield from (one for one in (presets or {}).values() if isinstance(one, Mapping))


def _at(content: Mapping[str, Any], key: str) -> Any:
    found: Any = content
    for part in key.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def find() -> Path | None:
    """`CHANNELGATE["CONFIG"]`, else channelgate.toml in `BASE_DIR` or beside manage.py; None if there is none."""
    place = intended()
    return place if place.is_file() else None


def intended() -> Path:
    """Where the file is, or would be written."""
    named = getattr(conf(), "config", None)
    if named:
        return Path(named)
    return folder() / NAME


def folder() -> Path:
    """The project's folder: `BASE_DIR`, else that of manage.py."""
    base = getattr(settings, "BASE_DIR", None)
    if base:
        return Path(str(base))
    started = Path(sys.argv[0]).resolve()
    return started.parent if started.name == "manage.py" else Path.cwd()


def read(path: Path | None) -> NodeFile:
    """What the file says."""
    if path is None:
        return NodeFile({})
    try:
        return NodeFile(loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return NodeFile({})


def loads(text: str) -> dict[str, Any]:
    """TOML; a `ValueError` if it is not valid."""
    # Python 3.10 has no reader of its own; the package depends on tomli there.
    reader = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return dict(reader.loads(text))
