"""Orders to the nodes, through the Redis of the channel layer: `disconnect()`, and the end of a login.

`disconnect(user=7)` ends the user's connections on every node; `session` and `token` end those that used this
credential, which is refused for an hour. Of a credential only a fingerprint leaves the process; a JWT is sent as it is,
because the nodes know which of its claims is its id.
"""

import hashlib
import json
import logging
import time
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from channelgate.conf import conf
from channelgate.identity import user_id
from channelgate.places import connect_here

logger = logging.getLogger("channelgate.orders")

CHANNEL = "channelgate:control:disconnect"
#: The records for nodes that hear nothing now: users by the time of the order, credentials by the end of their refusal.
DISCONNECTED, REVOKED = "channelgate:disconnected", "channelgate:revoked"
#: How long the record has an order about a user, in milliseconds.
KEPT = 3_600_000
#: The close codes that a server may send, and the bytes of a reason.
CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
MAX_REASON = 123
#: The close codes of an order that names none.
CODE, CODE_OF_RECONNECT = 4403, 1012
#: Seconds for which the credential of a connection that was ended is refused: until the session is deleted for certain.
REFUSED = 3600


def fingerprint(token: str) -> str:
    """The fingerprint by which nodes know a credential."""
    return hashlib.sha256(b"token\0" + token.encode("utf-8", "surrogatepass")).digest()[:8].hex()


def disconnect(
    user: Any = None,
    *,
    session: str | None = None,
    token: str | None = None,
    code: int | None = None,
    reason: str = "",
    reconnect: bool = False,
) -> int:
    """Ends connections on every node; returns the number of nodes that heard the order. `user` is a user, or its id."""

    async def order() -> int:
        return await adisconnect(user, session=session, token=token, code=code, reason=reason, reconnect=reconnect)

    return int(async_to_sync(order)())


async def adisconnect(
    user: Any = None,
    *,
    session: str | None = None,
    token: str | None = None,
    code: int | None = None,
    reason: str = "",
    reconnect: bool = False,
) -> int:
    """The same on an event loop."""
    given = {"user": user, "session": session, "token": token}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise TypeError("disconnect() wants one of user, session and token")
    order: dict[str, Any] = {}
    if user is not None:
        # A function of the project's own may ask the database.
        order["user"] = await sync_to_async(user_id, thread_sensitive=True)(user)
        if order["user"] is None:
            raise ValueError("an anonymous user has no connections that could be found")
    else:
        order |= _target(named[0], session if token is None else token)
    order |= _ending(code, reason, reconnect)
    return await publish(CHANNEL, order)


def _target(name: str, credential: Any) -> dict[str, Any]:
    """The connections with this credential, which may stand behind the scheme of its header."""
    words = credential.split() if isinstance(credential, str) else []
    if not words:
        raise ValueError(f"{name} is text, and not empty")
    if name == "token" and words[-1].startswith("ey") and words[-1].count(".") == 2:
        return {"token": words[-1]}
    return {"fingerprint": fingerprint(words[-1]), "until": int(time.time()) + REFUSED}


def _ending(code: Any, reason: Any, reconnect: Any) -> dict[str, Any]:
    """How they end. A node would count and log what is wrong here, where its author does not see it."""
    if code is not None and (not isinstance(code, int) or isinstance(code, bool) or code not in CODES):
        raise ValueError("code is 1000 to 1003, 1007 to 1014 or 3000 to 4999")
    if not isinstance(reason, str) or len(reason.encode()) > MAX_REASON:
        raise ValueError(f"reason is text of at most {MAX_REASON} bytes")
    if not isinstance(reconnect, bool):
        raise TypeError("reconnect is True or False")
    return {key: value for key, value in (("code", code), ("reason", reason), ("reconnect", reconnect)) if value}


async def publish(channel: str, order: dict[str, Any]) -> int:
    """Publishes to the nodes; returns how many heard it."""
    redis = connect_here()
    try:
        heard = int(await redis.publish(channel, json.dumps(order)))
        # Nodes record what they hear. Of a JWT only they know the fingerprint.
        if not heard and "token" not in order:
            await _record(redis, order)
        return heard
    finally:
        await redis.aclose()
        await redis.connection_pool.disconnect()


async def _record(redis: Any, order: dict[str, Any]) -> None:
    """Every node is away for the moment: they read it when they are back."""
    entry = json.dumps({**order, "code": order.get("code", CODE_OF_RECONNECT if order.get("reconnect") else CODE)})
    seconds, micros = await redis.time()
    now = seconds * 1000 + micros // 1000
    if "user" in order:
        key, score, left = DISCONNECTED, now, KEPT
    else:
        key, score = REVOKED, order["until"] * 1000
        left = score - now
    await redis.zadd(key, {entry: score})
    if await redis.pttl(key) < left:
        await redis.pexpire(key, left)


def logged_out(sender: Any, request: Any = None, **_: Any) -> None:
    """A login has ended (`user_logged_out`): so do the connections with its session or token."""
    if not conf().logout or request is None:
        return
    for credential in _credentials(request):
        try:
            heard = disconnect(token=credential, reason="logged out")
        except (ImproperlyConfigured, ImportError) as reason:
            logger.debug("A logout ends no connection: %s", reason)
            return
        except Exception:
            # The logout itself must not fail.
            logger.exception("A logout could not be passed on: its connections stay until their login is checked again")
            return
        if not heard:
            logger.warning("A logout was heard by no node: its connections stay open until one is back")


def _credentials(request: Any) -> set[str]:
    """The session of the request, and the token in its header."""
    found = {getattr(getattr(request, "session", None), "session_key", None)}
    found.add(getattr(request, "COOKIES", {}).get(settings.SESSION_COOKIE_NAME))
    words = str(getattr(request, "META", {}).get("HTTP_AUTHORIZATION", "")).split()
    found.add(words[1] if len(words) == 2 else None)
    return {one for one in found if isinstance(one, str) and one}
