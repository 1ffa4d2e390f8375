"""The configuration as text: TOML with comments, in a stable order."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from channelgate.translate.outcome import CALLS, NATIVE, STAYS, Verdict

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
#: Keys whose values are tables of their own, after the plain keys.
_TABLES = ("on_admit", "on_connect", "on_disconnect")
_NAMED = ("on_raw", "on_message", "on_event")
HEAD = """\
# Written by manage.py channelgate init. It is yours to change: init never overwrites it without --force.
# Comments name the statements that stay in Python, or what differs from the consumer.
"""


def document(verdicts: Sequence[Verdict], origins: list[str] | None, cookie: str | None, url: str) -> str:
    """The whole file."""
    parts = [HEAD]
    if origins is not None:
        lines = ["# As the validator of origins in ASGI_APPLICATION; manage.py channelgate run passes on its list."]
        parts.append("\n".join([*lines, "[server]", f"allowed_origins = {value(origins)}", ""]))
    if any(_asks_django(one) for one in verdicts):
        lines = [
            "# Where Django answers; its secret is in CHANNELGATE_BACKEND_SECRET, never in this file.",
            "[backend]",
        ]
        parts.append("\n".join([*lines, f"url = {text(url)}", ""]))
    if cookie is not None:
        parts.append(f"[auth.django]\ncookies = {value([cookie])}\n")
    parts += [consumer(one) for one in verdicts]
    return "\n".join(parts)


def _asks_django(verdict: Verdict) -> bool:
    return "django" in verdict.table or "django" in verdict.table.get("auth", ())


def consumer(verdict: Verdict) -> str:
    """One consumer, with the reasons as comments."""
    lines = [*_comments(verdict)]
    if verdict.kind == STAYS:
        return "\n".join(lines) + "\n"
    lines.append("[[consumer]]")
    table = verdict.table
    for key, one in table.items():
        if key not in _TABLES + _NAMED:
            lines += _pair(key, one)
    for key in _TABLES:
        if key in table:
            lines += _steps(f"consumer.{key}", table[key])
    for key in _NAMED:
        for name, one in table.get(key, {}).items():
            comments = verdict.comments.get(name, []) if key == "on_event" else []
            lines += [""] + [line for comment in comments for line in _wrapped(comment)]
            made = _steps(f"consumer.{key}.{quoted_key(name)}", one)
            lines += made[1:] if made and not made[0] else made
    for name, comments in verdict.comments.items():
        if name not in table.get("on_event", {}):
            lines += ["", *(line for comment in comments for line in _wrapped(f"{name}() stays in Python: {comment}"))]
    return "\n".join(lines) + "\n"


def _comments(verdict: Verdict) -> list[str]:
    route = verdict.route
    place = f" ({route.cls.place})" if route.cls else ""
    if verdict.kind == STAYS:
        texts = [f"{route.shown} stays with Daphne: {route.label}{place}", *verdict.why]
    elif verdict.kind == NATIVE:
        texts = [f"{route.label}{place}, without Python", *verdict.notes]
    else:
        kind = "partly in Python" if verdict.kind == CALLS else "in Python"
        texts = [f"{route.label}{place}, {kind}, because of:", *verdict.why, *verdict.notes]
    return [line for one in texts for line in _wrapped(one)]


def _wrapped(comment: str) -> list[str]:
    return textwrap.wrap(
        comment, 116, initial_indent="# ", subsequent_indent="#   ", break_long_words=False, break_on_hyphens=False
    )


def _steps(name: str, steps: Any) -> list[str]:
    if isinstance(steps, Mapping):
        return ["", f"[{name}]", *(line for pair in steps.items() for line in _pair(*pair))]
    if len(steps) == 1:
        return _steps(name, steps[0])
    lines = []
    for step in steps:
        lines += ["", f"[[{name}]]", *(line for pair in step.items() for line in _pair(*pair))]
    return lines


def _pair(key: str, one: Any) -> list[str]:
    """A key and its value; a long list has a line for each item."""
    line = f"{quoted_key(key)} = {value(one)}"
    if len(line) <= 110 or not isinstance(one, list):
        return [line]
    return [f"{quoted_key(key)} = [", *(f"    {value(item)}," for item in one), "]"]


def quoted_key(key: str) -> str:
    """A key of TOML."""
    return key if _BARE.match(key) else text(key)


def value(one: Any) -> str:
    """A value of TOML, on one line."""
    match one:
        case bool():
            return str(one).lower()
        case int():
            return str(one)
        case str():
            return text(one)
        case Mapping():
            return "{ " + ", ".join(f"{quoted_key(key)} = {value(item)}" for key, item in one.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(value(item) for item in one) + "]"
    raise TypeError(f"{one!r} has no form in the configuration")


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def text(one: str) -> str:
    """A basic string."""
    escaped = "".join(_ESCAPES.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c) for c in one)
    return f'"{escaped}"'
