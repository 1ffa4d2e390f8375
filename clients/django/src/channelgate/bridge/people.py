"""What the node knows of a connection's user, and until when: from the scope that the project's middleware made."""

import datetime
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.utils.module_loading import import_string

from channelgate.conf import conf
from channelgate.users import unwrapped

#: Entries of the scope under which projects keep the claims of a token.
CLAIMS = (
    "token",
    "jwt",
    "claims",
    "payload",
    "token_payload",
    "decoded_token",
    "jwt_payload",
    "auth",
    "validated_token",
)


def function() -> Callable[[Any], Any]:
    """`DESCRIBE`."""
    return _function(conf().describe)


@functools.lru_cache(maxsize=4)
def _function(path: str) -> Callable[[Any], Any]:
    try:
        found: Callable[[Any], Any] = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f'CHANNELGATE["DESCRIBE"] cannot be imported: {error}') from error
    return found


async def describe(user: Any) -> dict[str, Any] | None:
    """The user as `DESCRIBE` puts it; None for an anonymous one. One that needs the database runs in a thread."""
    if user is None or getattr(unwrapped(user), "is_authenticated", True) is False:
        return None
    describes = function()
    try:
        described = describes(user)
    except SynchronousOnlyOperation:
        from channels.db import database_sync_to_async

        described = await database_sync_to_async(describes)(user)
    if hasattr(described, "__await__"):
        described = await described
    return checked(described)


def checked(described: Any) -> dict[str, Any] | None:
    """What `DESCRIBE` has returned, with an id."""
    if described is None:
        return None
    if not isinstance(described, dict | Mapping) or described.get("id") is None:
        raise ImproperlyConfigured(f'CHANNELGATE["DESCRIBE"] {conf().describe} has to return a dictionary with "id"')
    return dict(described)


def expiry(scope: Mapping[str, Any]) -> int | None:
    """When the login ends, in seconds since 1970: the earliest of a token's `exp` and the session's end."""
    ends = [end for key in CLAIMS if (end := _exp(scope.get(key))) is not None]
    user = unwrapped(scope.get("user"))
    for holder in (user, scope.get("auth")):
        end = _exp(getattr(holder, "token", None)) if holder is not None else None
        if end is not None:
            ends.append(end)
    if getattr(user, "is_authenticated", False):
        end = _session_end(scope.get("session"))
        if end is not None:
            ends.append(end)
    return min(ends) if ends else None


def _exp(claims: Any) -> int | None:
    if claims is None or isinstance(claims, str | bytes):
        return None
    claims = getattr(claims, "payload", claims)
    if not isinstance(claims, Mapping):
        return None
    value = claims.get("exp")
    if isinstance(value, datetime.datetime):
        return int(value.timestamp())
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _session_end(session: Any) -> int | None:
    """The end of a session whose data middleware has read: none is read for this."""
    from django.contrib.sessions.backends.base import SessionBase
    from django.utils.functional import LazyObject, empty

    if isinstance(session, LazyObject):
        wrapped = session.__dict__.get("_wrapped")
        session = None if wrapped is empty else wrapped
    if not isinstance(session, SessionBase) or "_session_cache" not in vars(session) or not session.session_key:
        return None
    return int(time.time() + session.get_expiry_age())
