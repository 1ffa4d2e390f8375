"""Makes, reads and revokes ws-tokens, in Django's cache, where nodes read them.

`opaque`: random text, with what `DESCRIBE` says of the user under `ws_token_<token>`. `jwt`: signed with SECRET_KEY and
valid while it equals what is under `ws_token_<user id>`, so that a newer token revokes the older one of its user.
"""

import secrets
import time
import uuid
from typing import Any

from django.core.cache import BaseCache, caches
from django.utils.crypto import constant_time_compare

from channelgate.conf import conf
from channelgate.identity import described, user_id
from channelgate.publishing.values import plain
from channelgate.tokens import jwt

#: What a token's key in the cache begins with.
KEY = "ws_token_"
#: Bytes of a random token, and the longest that nodes read.
RANDOM, LONGEST = 32, 512
TYPE = "ws_token"


def ws_token(user: Any) -> str:
    """A new token for a user, or for an id."""
    identity = user_id(user)
    if identity is None:
        raise ValueError("an anonymous user gets no token")
    setting = conf().ws_token
    if setting.form == "jwt":
        claims = {
            "user_id": _facts(user, identity)["id"],
            "type": TYPE,
            "exp": int(time.time()) + setting.lifetime,
            # Makes each token unique, so that a newer one of the same second revokes the older, too.
            "jti": secrets.token_hex(16),
        }
        token = jwt.signed(claims)
        _cache().set(KEY + identity, token, setting.lifetime)
        return token
    token = secrets.token_urlsafe(RANDOM)
    _cache().set(KEY + token, _facts(user, identity), setting.lifetime)
    return token


def ws_token_user(token: str) -> Any:
    """The id of the user with this token, as nodes find it; None if it is not valid. With SINGLE_USE it is spent."""
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        return None
    return _of_jwt(token) if conf().ws_token.form == "jwt" else _of_opaque(token)


def revoke_ws_token(token: str | None = None, *, user: Any = None) -> bool:
    """Makes a token invalid, and ends the connections that it opened; of the form `jwt` also that of a user."""
    if (token is None) == (user is None):
        raise TypeError("revoke_ws_token() wants a token or a user")
    if conf().ws_token.form == "opaque":
        if token is None:
            raise ValueError("opaque tokens cannot be found by their user: disconnect(user=…) ends the connections")
        return bool(_cache().delete(KEY + token))
    if token is not None:
        claims = jwt.opened(token)
        # An older token of the user must not revoke the one that is valid.
        if not claims or not constant_time_compare(_cache().get(KEY + str(claims.get("user_id"))) or "", token):
            return False
        return bool(_cache().delete(KEY + str(claims["user_id"])))
    return bool(_cache().delete(f"{KEY}{user_id(user)}"))


def _facts(user: Any, identity: str) -> dict[str, Any]:
    """What nodes know of the user, in values that they can read from the cache."""
    if isinstance(user, int):
        return {"id": user}
    if isinstance(user, str | uuid.UUID):
        return {"id": identity}
    facts: dict[str, Any] = plain(dict(described(user)), "DESCRIBE")
    return facts


def _cache() -> BaseCache:
    return caches[conf().ws_token.cache]


def _of_opaque(token: str) -> Any:
    # Of the other form, the key would be the user's.
    if len(token) > LONGEST or "." in token:
        return None
    facts = _cache().get(KEY + token)
    if not isinstance(facts, dict) or "id" not in facts or not _spent(KEY + token):
        return None
    return facts["id"]


def _of_jwt(token: str) -> Any:
    claims = jwt.opened(token)
    if claims is None or claims.get("type") != TYPE or claims.get("user_id") is None:
        return None
    key = KEY + str(claims["user_id"])
    current = _cache().get(key)
    if not isinstance(current, str) or not constant_time_compare(current, token) or not _spent(key):
        return None
    return claims["user_id"]


def _spent(key: str) -> bool:
    """Of two uses at once one deletes the key."""
    return not conf().ws_token.single_use or bool(_cache().delete(key))
