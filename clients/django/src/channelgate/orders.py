"""Orders to the nodes, through the Redis of the channel layer: `disconnect()`, and the end of a login.

`disconnect(user=7)` ends the user's connections on every node, `socket` ends one; `session`, `token` and `jti` end
those that used this credential, which is refused then. Of a credential only a fingerprint leaves the process; a JWT is
sent as it is, because the nodes know which of its claims is its id.
"""

import asyncio
import hashlib
import json
import logging
import time
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from channelgate import api, places
from channelgate.conf import conf
from channelgate.exchange import exchange
from channelgate.identity import MAX_ID, user_id

logger = logging.getLogger("channelgate.orders")

CHANNEL = "channelgate:control:disconnect"
#: The records for nodes that hear nothing now: users and sockets by the time of the order, credentials by the end of
#: their refusal.
DISCONNECTED, REVOKED = "channelgate:disconnected", "channelgate:revoked"
#: How long the record has an order about a user or a socket, in milliseconds.
KEPT = 3_600_000
#: The close codes that a server may send, and the bytes of a reason.
CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
MAX_REASON = 123
#: The close codes of an order that names none.
CODE, CODE_OF_RECONNECT = 4403, 1012
#: Seconds for which the credential of a connection that was ended is refused: until the session is deleted for certain;
#: and for which the id of a JWT is, whose end is not known here.
REFUSED, REFUSED_ID = 3600, 24 * 3600


def fingerprint(text: str, kind: str = "token") -> str:
    """The fingerprint by which nodes know a credential."""
    return hashlib.sha256(kind.encode() + b"\0" + text.encode("utf-8", "surrogatepass")).digest()[:8].hex()


def disconnect(
    user: Any = None,
    *,
    session: str | None = None,
    token: str | None = None,
    jti: str | None = None,
    socket: str | None = None,
    code: int | None = None,
    reason: str = "",
    reconnect: bool = False,
) -> int:
    """Ends connections on every node; returns the number of nodes that heard the order. `user` is a user, or its id."""
    _refuse_loop()
    name, value = _named(user=user, session=session, token=token, jti=jti, socket=socket)
    return send(target(name, user_id(user) if name == "user" else value) | checked(code, reason, reconnect))


async def adisconnect(
    user: Any = None,
    *,
    session: str | None = None,
    token: str | None = None,
    jti: str | None = None,
    socket: str | None = None,
    code: int | None = None,
    reason: str = "",
    reconnect: bool = False,
) -> int:
    """The same on an event loop."""
    name, value = _named(user=user, session=session, token=token, jti=jti, socket=socket)
    if name == "user":
        # A function of the project's own may ask the database.
        value = await sync_to_async(user_id, thread_sensitive=True)(value)
    order = target(name, value) | checked(code, reason, reconnect)
    return await asyncio.to_thread(send, order)


def _refuse_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("disconnect() would block this event loop: await adisconnect()")


def _named(**targets: Any) -> tuple[str, Any]:
    """The one target that is given, and its name."""
    named = [(name, value) for name, value in targets.items() if value is not None]
    if len(named) != 1:
        raise TypeError("disconnect() wants one of user, session, token, jti and socket")
    return named[0]


def target(name: str, value: Any) -> dict[str, Any]:
    """What an order names: a user by its id, or what the parameter of `disconnect` with this name is."""
    if name == "user":
        if value is None:
            raise ValueError("an anonymous user has no connections that could be found")
        return {"user": value}
    if name in ("socket", "jti"):
        if not isinstance(value, str) or not 0 < len(value.encode()) <= MAX_ID:
            raise ValueError(f"{name} is text of 1 to {MAX_ID} bytes")
        if name == "socket":
            return {"socket": value}
        return {"fingerprint": fingerprint(value, "jti"), "until": int(time.time()) + REFUSED_ID}
    words = value.split() if isinstance(value, str) else []
    if not words:
        raise ValueError(f"{name} is text, and not empty")
    # It may stand behind the scheme of its header.
    if name == "token" and words[-1].startswith("ey") and words[-1].count(".") == 2:
        return {"token": words[-1]}
    return {"fingerprint": fingerprint(words[-1]), "until": int(time.time()) + REFUSED}


def checked(code: Any, reason: Any, reconnect: Any) -> dict[str, Any]:
    """How they end. A node would count and log what is wrong here, where its author does not see it."""
    if code is not None and (not isinstance(code, int) or isinstance(code, bool) or code not in CODES):
        raise ValueError("code is 1000 to 1003, 1007 to 1014 or 3000 to 4999")
    if not isinstance(reason, str) or len(reason.encode()) > MAX_REASON:
        raise ValueError(f"reason is text of at most {MAX_REASON} bytes")
    if not isinstance(reconnect, bool):
        raise TypeError("reconnect is True or False")
    return {key: value for key, value in (("code", code), ("reason", reason), ("reconnect", reconnect)) if value}


def send(order: dict[str, Any]) -> int:
    """Publishes to the nodes, within the time of `PUBLISH["TIMEOUT"]`; returns how many heard it."""
    timeout = conf().publish.timeout
    if not places.is_known() and conf().api_key is not None:
        # Nodes without a Redis: the one at URL passes it on, and does not say to how many.
        api.post("/api/websocket/disconnect", order, timeout)
        return 1
    deadline = time.monotonic() + timeout
    (heard,) = exchange([("PUBLISH", CHANNEL, json.dumps(order))], deadline, timeout)
    # Nodes record what they hear. Of a JWT only they know the fingerprint.
    if not heard and "token" not in order:
        _record(order, deadline, timeout)
    return int(heard)


def _record(order: dict[str, Any], deadline: float, timeout: float) -> None:
    """Every node is away for the moment: they read it when they are back."""
    entry = json.dumps({**order, "code": order.get("code", CODE_OF_RECONNECT if order.get("reconnect") else CODE)})
    ((seconds, micros),) = exchange([("TIME",)], deadline, timeout)
    now = int(seconds) * 1000 + int(micros) // 1000
    if "until" in order:
        key, score = REVOKED, order["until"] * 1000
        left = score - now
    else:
        key, score, left = DISCONNECTED, now, KEPT
    _, kept = exchange([("ZADD", key, score, entry), ("PTTL", key)], deadline, timeout)
    if kept < left:
        exchange([("PEXPIRE", key, left)], deadline, timeout)


def logged_out(sender: Any, request: Any = None, **_: Any) -> None:
    """A login has ended (`user_logged_out`): so do the connections with its session or token."""
    try:
        if request is None or not conf().disconnect_on_logout:
            return
    except ImproperlyConfigured:
        logger.exception("A logout could not be passed on: the setting CHANNELGATE is not valid")
        return
    for credential in _credentials(request):
        try:
            heard = send(target("token", credential) | checked(None, "logged out", False))
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
