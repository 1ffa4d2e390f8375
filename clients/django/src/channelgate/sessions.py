"""The user of a session, as Django's own `get_user` finds it, without writing anything.

`get_user` empties a session whose password has changed and gives a new key to one of an old `SECRET_KEY`. The client of
a handshake could not be told the new key.
"""

import importlib
import math
import time
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare


class NoLogin(Exception):
    """The session exists, and nobody has logged in."""


def user_of(key: str) -> tuple[Any, int | None]:
    """The user with this session and its end; a user of None if the session is unknown, or its login is not valid."""
    store = importlib.import_module(settings.SESSION_ENGINE).SessionStore(key)
    stored, backend_path = store.get(SESSION_KEY), store.get(BACKEND_SESSION_KEY)
    if stored is None or backend_path is None:
        # Django keeps no empty session, so this one is unknown, over, or of another key.
        if not store.keys():
            return None, None
        raise NoLogin
    if backend_path not in settings.AUTHENTICATION_BACKENDS:
        return None, None
    try:
        user = load_backend(backend_path).get_user(get_user_model()._meta.pk.to_python(stored))
    except ValidationError:
        # The key of another user model, which the project had before.
        return None, None
    if user is None or not _is_verified(user, store.get(HASH_SESSION_KEY)):
        return None, None
    row = _row(store)
    if row is not None and row[0] != key:
        # A database that does not tell capital letters from small ones finds the session by other spellings of its key,
        # by which no logout would find the connection.
        return None, None
    return user, _end(store, row)


def _is_verified(user: Any, session_hash: Any) -> bool:
    """Whether the password is still the one of the login."""
    if not hasattr(user, "get_session_auth_hash"):
        return True
    if not session_hash:
        return False
    hashes = [user.get_session_auth_hash()]
    fallbacks = getattr(user, "get_session_auth_fallback_hash", None)
    if fallbacks is not None:
        hashes += fallbacks()
    return any(constant_time_compare(session_hash, one) for one in hashes)


def _row(store: Any) -> tuple[str, Any] | None:
    """Key and end of a session that is kept in the database."""
    model: Any = getattr(store, "model", None)
    is_table = isinstance(model, type) and issubclass(model, AbstractBaseSession)
    if not is_table:
        return None
    found: tuple[str, Any] | None = (
        model.objects.filter(pk=store.session_key).values_list("session_key", "expire_date").first()
    )
    return found


def _end(store: Any, row: tuple[str, Any] | None) -> int:
    """When the session ends. One that is kept in the database says it itself; others have it from now on."""
    if row is not None:
        at: float = row[1].timestamp()
        return math.ceil(at)
    age: float = store.get_expiry_age()
    return math.ceil(time.time() + age)
