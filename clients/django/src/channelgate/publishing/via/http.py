"""`POST /api/publish` of a node: for projects whose nodes have no Redis, or one that Django does not reach."""

import json
from collections.abc import Sequence

from channelgate import api
from channelgate.publishing.attempts import Attempts
from channelgate.publishing.values import Message
from channelgate.publishing.via.blocking import Blocking


def of_settings() -> "Http":
    """The node of the setting."""
    api.require_key()
    return Http()


#: Bytes of a request: half of a node's `api.max_body`.
MOST = 512 << 10


class Http(Blocking):
    """One request for up to a hundred messages."""

    name = "http"
    together = 100

    def fitting(self, messages: Sequence[Message], start: int) -> int:
        """As many as a node accepts in one body."""
        size = 0
        for number, message in enumerate(messages[start : start + self.together]):
            size += len(json.dumps(message))
            if size > MOST:
                return max(number, 1)
        return self.together

    def attempt(self, messages: Sequence[Message], attempts: Attempts) -> None:
        """The node has passed them on when it answers 200."""
        body = [{"group": group, "event": event} for group, event in messages]
        api.post("/api/publish", body, attempts.left())
