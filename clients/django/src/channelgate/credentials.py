"""Tokens that a node admits, for tries: an access token as simplejwt signs it, and a ws-token of the cache.

An access token follows `SIMPLE_JWT` where simplejwt is installed, and else what a node expects: HS256, `SECRET_KEY`.
"""

import dataclasses
import datetime
import secrets
import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured

from channelgate.conf import conf
from channelgate.tokens import jwt

#: The keys of ws-tokens in the cache, as in `auth.ws_token` of the node.
OPAQUE_KEY, JWT_KEY = "ws_token_{token}", "ws_token_{user_id}"


def access_token(user_id: Any, lifetime: float, claims: Mapping[str, Any] | None = None) -> str:
    """An access token of this user for so many seconds."""
    try:
        from rest_framework_simplejwt.settings import api_settings
    except ImportError:
        return _by_hand(user_id, lifetime, claims or {})
    kinds = api_settings.AUTH_TOKEN_CLASSES
    token = kinds[0]()
    token.set_exp(lifetime=datetime.timedelta(seconds=lifetime))
    token[api_settings.USER_ID_CLAIM] = user_id if isinstance(user_id, int) else str(user_id)
    for name, value in (claims or {}).items():
        token[name] = value
    return str(token)


def _by_hand(user_id: Any, lifetime: float, claims: Mapping[str, Any]) -> str:
    now = int(time.time())
    own = {"token_type": "access", "exp": now + int(lifetime), "iat": now, "jti": secrets.token_hex(16)}
    return jwt.signed({**own, "user_id": user_id, **claims})


@dataclasses.dataclass(frozen=True, slots=True)
class WsToken:
    """A ws-token, and where the cache has it."""

    text: str
    key: str

    def drop(self) -> None:
        """Takes it back."""
        _cache().delete(self.key)


def ws_token(user_id: Any, lifetime: float, keys: tuple[str, str] = (OPAQUE_KEY, JWT_KEY)) -> WsToken:
    """A new ws-token of this user in the cache, in the form of `WS_TOKEN`."""
    opaque, of_jwt = keys
    if conf().ws_token.form == "jwt":
        end = int(time.time() + lifetime)
        # The `jti` makes each token unique: a newer one of the same second is another one.
        text = jwt.signed({"user_id": user_id, "type": "ws_token", "exp": end, "jti": secrets.token_hex(16)})
        made = WsToken(text, of_jwt.replace("{user_id}", str(user_id)))
        _cache().set(made.key, text, lifetime)
        return made
    text = secrets.token_urlsafe(32)
    made = WsToken(text, opaque.replace("{token}", text))
    _cache().set(made.key, {"id": user_id}, lifetime)
    return made


def _cache() -> Any:
    alias = conf().ws_token.cache
    if alias not in settings.CACHES:
        raise ImproperlyConfigured(f'CHANNELGATE["WS_TOKEN"]["CACHE"] is "{alias}", which CACHES does not have')
    return caches[alias]
