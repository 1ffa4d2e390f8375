"""`POST /api/publish` of a node: for projects whose nodes have no Redis, or one that Django does not reach."""

from collections.abc import Sequence

from channelgate import api
from channelgate.publishing.attempts import Attempts
from channelgate.publishing.values import Message
from channelgate.publishing.via.blocking import Blocking


def of_settings() -> "Http":
    """The node of the setting."""
    api.require_key()
    return Http()


class Http(Blocking):
    """One request for up to a hundred messages."""

    name = "http"
    together = 100

    def attempt(self, messages: Sequence[Message], attempts: Attempts) -> None:
        """The node has passed them on when it answers 200."""
        body = [{"group": group, "event": event} for group, event in messages]
        api.post("/api/publish", body, attempts.left())
