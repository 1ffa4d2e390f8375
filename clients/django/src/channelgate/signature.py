"""The signature of a node's request: HMAC-SHA256 over the timestamp, a dot and the body."""

import functools
import hashlib
import hmac
import time

#: How far the two clocks may differ, in seconds; also how long a captured request can be repeated.
TOLERANCE = 300


@functools.lru_cache(maxsize=16)
def _keyed(secret: bytes) -> hmac.HMAC:
    """An HMAC that has its key already: copied for each request."""
    return hmac.new(secret, digestmod=hashlib.sha256)


def sign(secret: bytes, timestamp: bytes, body: bytes) -> bytes:
    """The value of `X-Channelgate-Signature`."""
    signed = _keyed(secret).copy()
    signed.update(timestamp + b"." + body)
    return b"sha256=" + signed.hexdigest().encode()


def refusal(reason: str) -> dict[str, str]:
    """The body of a refusal: it is about the node's signature, not an action's answer with the same status."""
    return {"message": reason, "kind": "signature"}


def unsigned(secrets: tuple[bytes, ...], timestamp: bytes, given: bytes) -> tuple[int, str] | None:
    """A refusal that needs no body: status and reason, or None."""
    if not secrets:
        return 404, 'CHANNELGATE["SECRET"] is not set'
    if not timestamp or not given:
        return 401, "The request is not signed"
    return None


def problem(secrets: tuple[bytes, ...], timestamp: bytes, given: bytes, body: bytes) -> tuple[int, str] | None:
    """Status and reason of a refusal, or None for a request of a node, made just now."""
    early = unsigned(secrets, timestamp, given)
    if early is not None:
        return early
    # Every secret is tried, so that the time does not tell which of them matched.
    matches = [hmac.compare_digest(sign(secret, timestamp, body), given) for secret in secrets]
    if not any(matches):
        return 403, "The signature is wrong"
    if not timestamp.isdigit() or len(timestamp) > 15 or abs(time.time() - int(timestamp)) > TOLERANCE:
        return 403, "The request is too old, or the clocks differ by more than 300 s"
    return None
