"""`POST /api/publish` of a node: for projects whose nodes have no Redis, or one that Django does not reach."""

import http.client
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from channelgate.conf import conf
from channelgate.publishing.attempts import Attempts
from channelgate.publishing.values import Message
from channelgate.publishing.via.blocking import Blocking

PATH = "/api/publish"
#: Bytes of an answer that are read and quoted.
MOST = 4096


def of_settings() -> "Http":
    """The node of the setting."""
    if conf().api_key is None:
        raise ImproperlyConfigured(
            'CHANNELGATE["API_KEY"] is not set: publishing over HTTP needs the node\'s api.key (CHANNELGATE_API_KEY)'
        )
    return Http()


class Http(Blocking):
    """One request for up to a hundred messages."""

    name = "http"
    together = 100

    def attempt(self, messages: Sequence[Message], attempts: Attempts) -> None:
        """The node has passed them on when it answers 200."""
        body = json.dumps([{"group": group, "event": event} for group, event in messages]).encode()
        parts = urlsplit(conf().url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=max(attempts.left(), 0.001))
        headers = {"Authorization": f"Bearer {conf().api_key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", parts.path + PATH, body, headers)
            answer = connection.getresponse()
            text = answer.read(MOST).decode(errors="replace")
        finally:
            connection.close()
        if answer.status != 200:
            raise http.client.HTTPException(f"{conf().url}{PATH} answered {answer.status}: {text}")
