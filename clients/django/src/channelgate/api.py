"""Requests to the API of the node at `CHANNELGATE["URL"]`, with `API_KEY`."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from channelgate.conf import conf

#: Bytes of an answer that are read, and of one that are quoted.
READ, QUOTED = 1 << 20, 500


class Refused(Exception):
    """The node has answered, and not with 200."""


def require_key() -> None:
    """Raises if the key is not set."""
    if conf().api_key is None:
        raise ImproperlyConfigured(
            'CHANNELGATE["API_KEY"] is not set: the API of a node needs its api.key (CHANNELGATE_API_KEY)'
        )


def post(path: str, body: Any, timeout: float) -> bytes:
    """What the node answers; each step of the exchange has this time."""
    parts = urlsplit(conf().url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=max(timeout, 0.001))
    headers = {"Authorization": f"Bearer {conf().api_key}", "Content-Type": "application/json"}
    try:
        connection.request("POST", parts.path + path, json.dumps(body).encode(), headers)
        answer = connection.getresponse()
        text = answer.read(READ)
    finally:
        connection.close()
    if answer.status != 200:
        quoted = text[:QUOTED].decode(errors="replace")
        raise Refused(f"{conf().url}{path} answered {answer.status}: {quoted}")
    return text
