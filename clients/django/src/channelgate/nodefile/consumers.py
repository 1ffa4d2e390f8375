"""The consumers of channelgate.toml, with the defaults of the node."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Consumer:
    """One `[[consumer]]`."""

    written: Mapping[str, Any]

    @property
    def paths(self) -> tuple[str, ...]:
        """Its paths; most have one."""
        path = self.written.get("path", ())
        return tuple(_texts(path))

    @property
    def name(self) -> str:
        """Its name: the one that is written, else the first path and the namespace."""
        name = self.written.get("name")
        return name if isinstance(name, str) else "".join(self.paths[:1])

    @property
    def protocol(self) -> str:
        """What its clients speak."""
        return str(self.written.get("protocol", "websocket"))

    @property
    def auth(self) -> tuple[str, ...]:
        """How it knows its clients."""
        return tuple(_texts(self.written.get("auth", ["anonymous"])))

    @property
    def groups(self) -> tuple[str, ...]:
        """The templates of the groups that a connection joins."""
        return tuple(_texts(self.written.get("groups", ())))

    @property
    def is_in_django(self) -> bool:
        """Whether Django runs a part of it."""
        return bool(self.written.get("django"))

    @property
    def events(self) -> Mapping[str, Mapping[str, Any]]:
        """Its handlers of events, by type."""
        found = self.written.get("on_event")
        if not isinstance(found, Mapping):
            return {}
        return {name: one for name, one in found.items() if isinstance(one, Mapping)}

    @property
    def asks_django(self) -> bool:
        """Whether the node needs Django for it."""
        return self.is_in_django or "django" in self.auth or _has_key(self.written, "call")


@dataclasses.dataclass(frozen=True, slots=True)
class NodeFile:
    """A channelgate.toml."""

    path: Path
    tables: Mapping[str, Any]

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """Its consumers, in order."""
        return tuple(Consumer(one) for one in _tables(self.tables.get("consumer")))

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that have moved to the node, each once."""
        return tuple(dict.fromkeys(path for one in self.consumers for path in one.paths))

    def sets(self, *keys: str) -> bool:
        """Whether the file has one of the keys."""
        return any(self.get(key) is not None for key in keys)

    def has_auth(self, method: str) -> bool:
        """Whether a consumer of the file, or a preset as the file changes it, admits by this method."""
        presets = self.tables.get("preset")
        changed = presets.values() if isinstance(presets, Mapping) else ()
        return any(
            method in _texts(one.get("auth", ()))
            for one in (*_tables(self.tables.get("consumer")), *_tables(list(changed)))
        )

    def get(self, dotted: str, default: Any = None) -> Any:
        """The value of a key such as `auth.jwt.sources`."""
        found: Any = self.tables
        for key in dotted.split("."):
            if not isinstance(found, Mapping) or key not in found:
                return default
            found = found[key]
        return found


def _texts(value: Any) -> Iterator[str]:
    """A text, or those of a list. What else is there, the node refuses with its place."""
    several = [value] if isinstance(value, str) else value
    yield from (one for one in (several if isinstance(several, list | tuple) else ()) if isinstance(one, str))


def _tables(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (one for one in (value if isinstance(value, list | tuple) else ()) if isinstance(one, Mapping))


def _has_key(value: Any, key: str) -> bool:
    if isinstance(value, Mapping):
        return key in value or any(_has_key(one, key) for one in value.values())
    return isinstance(value, list) and any(_has_key(one, key) for one in value)
