"""Which clients of a test have a consumer in Django, and which of those consumers have ended."""

import dataclasses
import json
import threading

#: By this header of a handshake a call is known to be about a client of the test.
HEADER = "x-channelgate-test"


@dataclasses.dataclass(frozen=True)
class Told:
    """What a call is about."""

    connection: str
    #: At connect, the client.
    client: str | None
    is_disconnect: bool


class Clients:
    """The clients by their connections, from what the node asks."""

    def __init__(self) -> None:
        self._clients: dict[str, str] = {}
        self._changed = threading.Condition()

    def arrive(self, calls: list[Told]) -> None:
        """A request begins."""
        with self._changed:
            self._clients.update((one.connection, one.client) for one in calls if one.client is not None)

    def leave(self, calls: list[Told], last: bytes) -> None:
        """A request has been answered: nothing is called any more for those that have left, or have failed."""
        has_ended = len(calls) == 1 and not _is_open(last)
        with self._changed:
            for one in calls:
                if one.is_disconnect or has_ended:
                    self._clients.pop(one.connection, None)
            self._changed.notify_all()

    def wait_until_gone(self, client: str, timeout: float) -> bool:
        """Waits until the client's consumer has ended: its `disconnect()` has run."""
        with self._changed:
            return self._changed.wait_for(lambda: client not in self._clients.values(), timeout)


def read_calls(body: bytes) -> list[Told]:
    """The calls of a request."""
    data = json.loads(body)
    return [_told(call) for call in data.get("batch") or [data]]


def _told(call: dict[str, object]) -> Told:
    scope, event = call.get("scope"), call.get("event")
    headers = scope.get("headers") or [] if isinstance(scope, dict) else []
    client = next((value for name, value in headers if name.lower() == HEADER), None)
    kind = event.get("type") if isinstance(event, dict) else None
    return Told(str(call.get("connection")), client, kind == "websocket.disconnect")


def _is_open(last: bytes) -> bool:
    """Whether the last line of an answer leaves the consumer in place."""
    lines = last.splitlines()
    try:
        return bool(lines) and json.loads(lines[-1]).get("end") == "open"
    except ValueError:
        return False
