"""What must not be printed: tokens, cookies and the query of a URL."""

from collections.abc import Iterable
from urllib.parse import quote

#: A shorter text would be hidden inside ordinary words.
SHORTEST = 4
HIDDEN = "…"


class Secrets:
    """The secrets of a run."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._texts: set[str] = set()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Hides this text, also as it stands in a URL."""
        self._texts |= {text for text in (secret, quote(secret), quote(secret, safe="")) if len(text) >= SHORTEST}

    def hide(self, text: str) -> str:
        """The text without them."""
        for secret in sorted(self._texts, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text
