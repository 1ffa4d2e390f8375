"""Keeps secrets out of what is printed: every known one becomes `***`, whatever text it is in."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from django.conf import settings

from channelgate.conf import raw

#: Shorter ones would hide ordinary words.
SHORTEST = 4
HIDDEN = "***"
#: Names of settings whose values are secrets: SIGNING_KEY and symmetric_encryption_keys, not KEY_PREFIX or WS_TOKEN.
_NAMED = re.compile(r"(?:^|_)(?:secret|keys?|password|passwd)$", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/@\s'\"]*@")


class Secrets:
    """The texts that must not be seen; checks add those that they make."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        for value in _of_settings():
            self.add(value)

    def add(self, value: Any) -> None:
        """One more text that must not be seen."""
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if isinstance(text, str) and len(text) >= SHORTEST:
            self._known |= {text, quote(text, safe=""), unquote(text)}

    def hide(self, text: str) -> str:
        """The text without them, and URLs without user and password."""
        for known in sorted(self._known, key=len, reverse=True):
            text = text.replace(known, HIDDEN)
        # What others have written must not reach the terminal as commands, nor begin a line of its own.
        text = "".join(one if one.isprintable() else " " for one in text)
        return _USERINFO.sub(f"{HIDDEN}@", text)


def _of_settings() -> Iterator[Any]:
    yield from _texts([settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS])
    with_secrets = {
        "CHANNELGATE": _given(),
        "CHANNEL_LAYERS": getattr(settings, "CHANNEL_LAYERS", {}),
        "CACHES": settings.CACHES,
        "DATABASES": settings.DATABASES,
        "SIMPLE_JWT": getattr(settings, "SIMPLE_JWT", {}),
    }
    yield from _named(with_secrets)


def _given() -> Any:
    try:
        return raw()
    except Exception:
        return getattr(settings, "CHANNELGATE", None)


def _named(value: Any, is_secret: bool = False) -> Iterator[Any]:
    """Values under a name such as PASSWORD, and the passwords of URLs."""
    match value:
        case Mapping():
            for name, one in value.items():
                named = isinstance(name, str) and _NAMED.search(name) is not None
                yield from _named(one, is_secret or named)
        case list() | tuple() | set():
            for one in value:
                yield from _named(one, is_secret)
        case str() | bytes() if is_secret:
            yield value
        case str() if "://" in value:
            try:
                parts = urlsplit(value)
            except ValueError:
                return
            yield parts.password
            yield from (text for name, text in parse_qsl(parts.query) if _NAMED.search(name))


def _texts(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    else:
        yield value
