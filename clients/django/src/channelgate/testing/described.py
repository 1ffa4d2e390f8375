"""What the configuration in effect says of the consumers: who is admitted, and what Django runs.

Read from `channelgate print-config`, which writes a key and its value on a line, and long lists over several.
"""

import dataclasses
import json
import re
from typing import Any

HEADER = re.compile(r"\[{1,2}([^\]]+)\]{1,2}")
KEY = re.compile(r"([\w-]+) = (.*)")
CONVERTERS = {"int": r"[0-9]+", "str": r"[^/]+", "slug": r"[-a-zA-Z0-9_]+", "uuid": r"[0-9a-fA-F-]{36}", "path": r".+"}
PARAMETER = re.compile(r"<(?:(\w+):)?\w+>")


@dataclasses.dataclass(frozen=True)
class Consumer:
    """A consumer of the configuration."""

    paths: tuple[str, ...]
    auth: tuple[str, ...]
    #: The parts that Django runs.
    django: frozenset[str]

    def serves(self, path: str) -> bool:
        """Whether one of its paths is this one; a slash at the end is optional."""
        return any(_pattern(one).fullmatch(path.rstrip("/") or "/") for one in self.paths)


@dataclasses.dataclass(frozen=True)
class Described:
    """The configuration, as far as clients of a test need it."""

    consumers: tuple[Consumer, ...]
    #: Where tokens may be, by the name of the method.
    sources: dict[str, tuple[str, ...]]

    @property
    def asks_django(self) -> bool:
        """Whether Django says who the clients of a consumer are."""
        return any("django" in one.auth for one in self.consumers)

    def consumer(self, path: str) -> Consumer | None:
        """The consumer that serves a path: the first one."""
        return next((one for one in self.consumers if one.serves(path)), None)


def read(text: str) -> Described:
    """The output of `print-config`."""
    consumers: list[dict[str, Any]] = []
    sources: dict[str, tuple[str, ...]] = {}
    section = ""
    lines = iter(text.splitlines())
    for line in lines:
        if header := HEADER.fullmatch(line):
            section = header[1]
            if section == "consumer":
                consumers.append({})
        elif pair := KEY.fullmatch(line):
            value = pair[2]
            while value.startswith("[") and not value.endswith("]"):
                value += next(lines).strip()
            if section == "consumer" and pair[1] in ("path", "auth", "django", "protocol"):
                consumers[-1][pair[1]] = _value(value)
            elif section.startswith("auth.") and pair[1] == "sources":
                sources[section.removeprefix("auth.").replace(".kinds.", ":")] = tuple(_value(value))
    plain = (one for one in consumers if one.get("protocol") == "websocket")
    return Described(tuple(_consumer(one) for one in plain), sources)


def _value(text: str) -> Any:
    return json.loads(text.replace(",]", "]"))


def _consumer(keys: dict[str, Any]) -> Consumer:
    paths, django = keys.get("path", []), keys.get("django", False)
    parts = ("connect", "receive", "disconnect") if django is True else django or ()
    return Consumer(
        paths=(paths,) if isinstance(paths, str) else tuple(paths),
        auth=tuple(keys.get("auth", ())),
        django=frozenset(parts),
    )


def _pattern(path: str) -> "re.Pattern[str]":
    pieces, at = [], 0
    path = path.rstrip("/") or "/"
    for found in PARAMETER.finditer(path):
        pieces += [re.escape(path[at : found.start()]), CONVERTERS.get(found[1] or "str", r"[^/]+")]
        at = found.end()
    return re.compile("".join([*pieces, re.escape(path[at:])]))
