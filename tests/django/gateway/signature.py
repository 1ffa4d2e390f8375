"""Checks that a request comes from a sender with the secret, and was made just now."""

import hashlib
import hmac
import time

from django.conf import settings

#: How far the two clocks may differ, in seconds; also how long a captured request can be replayed.
TOLERANCE = 300


def sign(secret: str, timestamp: str, body: bytes) -> str:
    signed = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def problem(request) -> tuple[int, str] | None:
    """The status and reason of a refusal, or None."""
    timestamp = request.headers.get("X-Channelgate-Timestamp", "")
    given = request.headers.get("X-Channelgate-Signature", "")
    if not timestamp or not given:
        return 401, "The request is not signed"
    if not settings.CHANNELGATE_SECRET:
        return 403, "CHANNELGATE_SECRET is not set"
    expected = sign(settings.CHANNELGATE_SECRET, timestamp, request.body)
    if not hmac.compare_digest(expected.encode(), given.encode()):
        return 403, "The signature is wrong"
    if not timestamp.isascii() or not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE:
        return 403, "The request is too old"
    return None
