"""Groups that a client may join because Django says so: `signed_group("board.7", request.user)`.

A token is `cg1.<payload>.<signature>`, with one more signature for each further secret while secrets are exchanged. A
node verifies it without a call: docs/django/membership.md has the format, tests/vectors/signed_groups.json examples.
"""

import base64
import datetime
import decimal
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from channelgate.conf import conf
from channelgate.identity import user_id

#: Separates these keys from all other uses of a secret.
CONTEXT = b"channelgate signed group v1"
VERSION = "cg1"
#: Bytes of a group's or a consumer's name.
MAX_NAME = 255
#: The longest time for which a token may be valid, in seconds.
MAX_EXPIRES = 30 * 24 * 3600
#: More secrets than this are not exchanged at once.
MAX_SECRETS = 8


def signed_group(
    group: str,
    user: Any = None,
    *,
    expires: float | datetime.timedelta = 3600,
    consumer: str | None = None,
) -> str:
    """A token with which a connection of `user` joins `group` (`join_token` in the node's configuration).

    `user` is a user or an id; None, or an anonymous user, is for connections without a user. `expires` is in seconds.
    `consumer` is the name of the only consumer that accepts it.
    """
    lifetime = expires.total_seconds() if isinstance(expires, datetime.timedelta) else expires
    if not isinstance(lifetime, int | float | decimal.Decimal):
        raise TypeError(f"expires is a number of seconds, or a timedelta, not {type(expires).__name__}")
    if isinstance(lifetime, bool) or not 0 < lifetime <= MAX_EXPIRES:
        raise ValueError(f"expires must be more than 0 and at most {MAX_EXPIRES} seconds (30 days)")
    now = time.time_ns() // 1_000_000
    payload: dict[str, Any] = {"g": _name("group", group), "u": user_id(user)}
    if consumer is not None:
        payload["c"] = _name("consumer", consumer)
    payload |= {"i": now, "e": now + round(lifetime * 1000)}
    text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    signed = f"{VERSION}.{_base64(text.encode())}"
    return ".".join([signed, *(_base64(_mac(secret, signed)) for secret in _secrets())])


def _name(what: str, name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"the name of a {what} is text, not {type(name).__name__}")
    if not 0 < len(name.encode()) <= MAX_NAME:
        raise ValueError(f"the name of a {what} has 1 to {MAX_NAME} bytes")
    return str.__str__(name)


def _secrets() -> list[bytes]:
    """`CHANNELGATE["SECRET"]`, else Django's own keys. A node needs to have one of them."""
    secrets = list(conf().secrets) or list(_keys_of_django())
    return secrets[:MAX_SECRETS]


def _keys_of_django() -> Iterator[bytes]:
    for key in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]:
        yield key if isinstance(key, bytes) else str(key).encode()


def _mac(secret: bytes, text: str) -> bytes:
    return hmac.digest(hmac.digest(secret, CONTEXT, hashlib.sha256), text.encode(), hashlib.sha256)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
