"""ws-tokens: a JWT that is valid only while it equals the one kept in the cache for its user.

One token per user is live at a time: a newer one revokes the older.
"""

import time

import jwt
from django.conf import settings
from django.core.cache import cache

LIFETIME = 1800


def issue(user_id):
    token = jwt.encode(
        {"user_id": user_id, "type": "ws_token", "exp": int(time.time()) + LIFETIME},
        settings.SECRET_KEY,
        algorithm="HS256",
    )
    cache.set(f"ws_token_{user_id}", token, timeout=LIFETIME)
    return token


def take_back(user_id):
    """Ends the connections that used the user's token."""
    cache.delete(f"ws_token_{user_id}")


def user_id_of(token):
    """The user of a token, or None."""
    try:
        payload = jwt.decode(token, settings.SECRET_KEY, algorithms=["HS256"], options={"require": ["exp"]})
    except jwt.InvalidTokenError:
        return None
    if payload.get("type") != "ws_token" or "user_id" not in payload:
        return None
    if cache.get(f"ws_token_{payload['user_id']}") != token:
        return None
    return payload["user_id"]
