"""Tokens that a node admits, for tries: an access token as simplejwt signs it, and a ws-token of the cache.

An access token follows `SIMPLE_JWT` where simplejwt is installed, and else what a node expects: HS256, `SECRET_KEY`.
"""

import base64
import datetime
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured

from channelgate.conf import conf

#: The key of an opaque ws-token in the cache: `auth.ws_token.opaque_key` of the node.
OPAQUE_KEY = "ws_token_{token}"


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
    payload = {
        "token_type": "access",
        "exp": now + int(lifetime),
        "iat": now,
        "jti": secrets.token_hex(16),
        "user_id": user_id,
        **claims,
    }
    header = {"alg": "HS256", "typ": "JWT"}
    text = ".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload))
    key = settings.SECRET_KEY
    signature = hmac.digest(key if isinstance(key, bytes) else str(key).encode(), text.encode(), hashlib.sha256)
    return f"{text}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def ws_cache() -> Any:
    """The cache that has the ws-tokens."""
    alias = _ws_token().get("CACHE", "default")
    if alias not in settings.CACHES:
        raise ImproperlyConfigured(f'CHANNELGATE["WS_TOKEN"]["CACHE"] is "{alias}", which CACHES does not have')
    return caches[alias]


def ws_lifetime() -> int:
    """Seconds for which a ws-token is valid."""
    return int(_ws_token().get("LIFETIME", 1800))


def _ws_token() -> Mapping[str, Any]:
    written = getattr(conf(), "ws_token", None)
    return written if isinstance(written, Mapping) else {}


def put_ws_token(user_id: Any, lifetime: float, key: str = OPAQUE_KEY) -> str:
    """A new opaque ws-token of this user, in the cache."""
    token = secrets.token_urlsafe(32)
    ws_cache().set(key.replace("{token}", token), user_id, lifetime)
    return token


def drop_ws_token(token: str, key: str = OPAQUE_KEY) -> None:
    """Takes it back."""
    ws_cache().delete(key.replace("{token}", token))
