"""Times in events."""

import datetime
import re

_ISO_MS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def is_now(text) -> bool:
    """Whether this is a time in JavaScript's format, of the current minute."""
    if not isinstance(text, str) or not _ISO_MS.fullmatch(text):
        return False
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(text)
    return abs(age.total_seconds()) < 60


def timed(data: dict, *keys: str) -> dict:
    """The same without its times, which must be of the current minute."""
    keys = keys or ("timestamp",)
    assert all(is_now(data.get(key)) for key in keys), data
    return {key: value for key, value in data.items() if key not in keys}
