"""The two ways a call ends because of what the consumer is, not because of what it did.

An operator reads the texts: they name the consumer, what it does, and where. The call keeps a refusal that was raised
in the project's code, so that its `except Exception` cannot swallow it.
"""

from typing import Any


class Refused(Exception):
    """One call per event cannot do what the consumer does. The connection closes with 1011."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text

    @property
    def end(self) -> dict[str, Any]:
        """The last line of the call."""
        return {"end": "refused", "kind": self.kind, "text": self.text}


class Restart(Exception):
    """The state is of another deployment's code or models. The connection closes with 1012, and the client returns."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
