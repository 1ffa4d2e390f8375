"""Makes two runs comparable: what differs by chance gets a name by its first appearance.

Nothing is said about single frames here: channel names, UUIDs, times and the ids of new rows (above a million, another
million for each table: corpus/seed.py) are found wherever they are.
"""

import datetime
import re

_KINDS = {
    "channel": r"[a-z]{0,12}specific\.[\w.!-]+",
    "uuid": r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])",
    "time": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?",
    "epoch": r"(?<!\d)1[6-9]\d{8}(?:\.\d+)?(?![\d.])",
    "id": r"(?<![0-9A-Za-z.])[1-9]\d?\d{6}(?![0-9A-Za-z.])",
}
_CHANCE = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))


class Names:
    """Names for one run of one scenario."""

    def __init__(self):
        self.names: dict[str, str] = {}
        self.counts: dict[str, int] = {}

    def of(self, value):
        """The value with names in place of what differs by chance."""
        match value:
            case str():
                return _CHANCE.sub(self._name, value)
            case bool() | None | float() | bytes():
                return value
            case int():
                return _CHANCE.sub(self._name, str(value)) if value >= 1_000_000 else value
            case dict():
                return {self.of(key): self.of(inner) for key, inner in value.items()}
            case list() | tuple():
                return [self.of(inner) for inner in value]
        return value

    def _name(self, found: re.Match) -> str:
        kind = found.lastgroup
        if kind == "epoch":
            return "<epoch>"
        if kind == "time":
            return "<time>" if _is_now(found[0]) else found[0]
        if found[0] not in self.names:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.names[found[0]] = f"<{kind} {self.counts[kind]}>"
        return self.names[found[0]]


def _is_now(text: str) -> bool:
    """Whether it is a time of this run; any other is data."""
    day = datetime.date.fromisoformat(text[:10])
    return abs((datetime.datetime.now(datetime.UTC).date() - day).days) <= 1
