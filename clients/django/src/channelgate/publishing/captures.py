"""Messages that are kept instead of sent, for tests: the newest capture takes what is published, in every thread.

A message belongs to the capture of the moment in which `publish()` is called, also if it is sent after the commit.
"""

from typing import Any, Protocol

from channelgate.locks import Lock


class Capture(Protocol):
    """What takes messages."""

    def add(self, group: str, event: dict[str, Any], using: str | None, on_commit: bool) -> None:
        """A message that would be sent now; `on_commit` says that it waited for the end of a transaction of `using`."""
        ...


_lock = Lock()
_captures: list[Capture] = []


def push(capture: Capture) -> None:
    """From now on the capture takes all messages."""
    with _lock:
        _captures.append(capture)


def pop(capture: Capture) -> None:
    """It takes no more; captures may end in any order."""
    with _lock:
        for number in reversed(range(len(_captures))):
            if _captures[number] is capture:
                del _captures[number]
                return
    raise LookupError("this capture was not pushed, or was popped before")


def current() -> Capture | None:
    """The newest capture."""
    with _lock:
        return _captures[-1] if _captures else None
