"""What finds a user in a handshake: sessions, authentication classes of REST framework, functions of the project.

Without `CHANNELGATE["AUTHENTICATORS"]` it is what is installed: `DEFAULT_AUTHENTICATION_CLASSES` of REST framework, its
tokens and those of knox, and last the session, because a browser sends that with every request.
"""

import dataclasses
import functools
import inspect
import math
import re
import sys
from collections.abc import Callable
from typing import Any, Protocol

from asgiref.sync import async_to_sync
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.core.signals import setting_changed
from django.http import Http404
from django.utils.module_loading import import_string

from channelgate import sessions
from channelgate.conf import conf
from channelgate.forwarded import Forwarded
from channelgate.registry import Refused

#: The name of Django's session in the setting.
SESSION = "session"
#: Engines with a model of `django.contrib.sessions`.
NEED_TABLE = frozenset({"django.contrib.sessions.backends.db", "django.contrib.sessions.backends.cached_db"})
#: Schemes whose credential is not one token.
NOT_TOKENS = frozenset({"", "basic", "digest", "negotiate", "session"})
#: What can follow the scheme in a header. Other texts are not tokens: REST framework fails with them, or it takes one
#: with white space for another spelling of the token, by which no order to disconnect would find the connection.
TOKEN = re.compile(r"[\x21-\x7e]+")
#: Statuses that say nothing about a credential.
NOT_NOW = frozenset({408, 425, 429})


class Invalid(Exception):
    """There is a credential, and it is not valid."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A user, or None for a visitor with a session and without a login."""

    user: Any
    auth: Any = None
    expires: int | None = None
    #: What had the credential: the part of the handshake, and the name in it if that is known.
    via: str = "cookies"


class Authenticator(Protocol):
    """A way to find a user."""

    def find(self, shown: Forwarded) -> Found | None:
        """The user; None if nothing here is for this way."""
        ...


class Session:
    """Django's session."""

    def find(self, shown: Forwarded) -> Found | None:
        key = shown.cookies.get(settings.SESSION_COOKIE_NAME)
        if not key:
            return None
        try:
            user, expires = sessions.user_of(key)
        except sessions.NoLogin:
            return Found(None)
        if user is None:
            raise Invalid
        return Found(user, expires=expires, via=f"cookies.{settings.SESSION_COOKIE_NAME}")


class RestFramework:
    """An authentication class of REST framework."""

    def __init__(self, kind: Callable[[], Any]) -> None:
        self._kind = kind

    def find(self, shown: Forwarded) -> Found | None:
        authenticator = self._kind()
        found = _tried(authenticator, shown, None, shown.via)
        if found is not None:
            return found
        failed = False
        for via, token in shown.tokens():
            scheme = _scheme(authenticator, shown)
            if scheme.lower() in NOT_TOKENS:
                break
            try:
                if not TOKEN.fullmatch(token):
                    raise Invalid
                found = _tried(authenticator, shown, f"{scheme} {token}", via)
            except Invalid:
                failed = True
                continue
            if found is not None:
                return found
        if failed:
            raise Invalid
        return None


def _scheme(authenticator: Any, shown: Forwarded) -> str:
    """The word that this class wants before a token, from what it would answer to a request without one."""
    from rest_framework.request import Request

    wanted = authenticator.authenticate_header(Request(shown.request()))
    words = str(wanted or getattr(authenticator, "keyword", "") or "Bearer").split(maxsplit=1)
    return words[0] if words else ""


def _tried(authenticator: Any, shown: Forwarded, authorization: str | None, via: str) -> Found | None:
    from rest_framework.request import Request

    request = shown.request(authorization)
    found = _asked(lambda: authenticator.authenticate(Request(request)), via)
    if found is not None and _is_respelled(found.auth, request.META.get("HTTP_AUTHORIZATION", "")):
        raise Invalid
    return found


def _is_respelled(auth: Any, authorization: str) -> bool:
    """Whether a database that does not tell capital letters from small ones has found the token: by this spelling no
    order to disconnect would find the connection."""
    key, words = getattr(auth, "key", None), authorization.split()
    return isinstance(key, str) and bool(words) and words[-1] != key and words[-1].lower() == key.lower()


def _asked(ask: Callable[[], Any], via: str) -> Found | None:
    """What a class or function of the project says."""
    try:
        found = _waited(ask())
    except Exception as error:
        verdict = _verdict(error)
        if verdict is error:
            raise
        raise verdict from error
    return _found(found, via)


def _verdict(error: Exception) -> Exception:
    """What an exception says about the client; the same if it says nothing."""
    status = _status(error)
    if status is None:
        return error
    if status == 403:
        denied: Exception = PermissionDenied()
        return denied
    if 400 <= status < 500 and status not in NOT_NOW:
        return Invalid()
    return Refused(status, "The authenticator failed")


def _status(error: Exception) -> int | None:
    if isinstance(error, Http404):
        return 404
    if isinstance(error, Refused):
        return error.status
    rest = sys.modules.get("rest_framework.exceptions")
    if rest is None or not isinstance(error, rest.APIException):
        return None
    # 403 of another one says only that the class has no `authenticate_header`.
    is_wrong = error.status_code == 403 and not isinstance(error, rest.PermissionDenied)
    return 401 if is_wrong else int(error.status_code)


class Function:
    """A function of the project, or a class with `authenticate`: from a request to a user, or a user and its token."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def find(self, shown: Forwarded) -> Found | None:
        return _asked(lambda: self._function(shown.request()), shown.via)


def _found(found: Any, via: str) -> Found | None:
    user, auth = found if isinstance(found, tuple) else (found, None)
    if user is None or not getattr(user, "is_authenticated", True):
        return None
    return Found(user, auth, _expiry(auth), via)


def _expiry(auth: Any) -> int | None:
    """When a token of knox ends; claims of a JWT are read elsewhere."""
    expiry = getattr(auth, "expiry", None)
    timestamp = getattr(expiry, "timestamp", None)
    return math.ceil(timestamp()) if callable(timestamp) else None


def _waited(value: Any) -> Any:
    if not inspect.isawaitable(value):
        return value

    async def wait() -> Any:
        return await value

    return async_to_sync(wait)()


@functools.lru_cache(maxsize=1)
def authenticators() -> list[Authenticator]:
    """Those of the setting, or those that are installed."""
    named = conf().authenticators
    if named is not None:
        return [make(name) for name in named]
    found = [*_installed(), Session()] if _has_sessions() else _installed()
    if not found:
        raise ImproperlyConfigured(
            "nothing in INSTALLED_APPS finds users, neither sessions nor REST framework: write "
            'CHANNELGATE["AUTHENTICATORS"]'
        )
    return found


def make(name: str) -> Authenticator:
    """The authenticator with this name in the setting."""
    if name == SESSION:
        return _session()
    found: Any = import_string(name)
    if inspect.isclass(found):
        kind: Any = found
        if not _is_rest(kind):
            return Function(kind().authenticate)
        return _session() if _is_session(kind) else RestFramework(kind)
    if not callable(found):
        raise TypeError(f"{name} cannot be called")
    return Function(found)


def _is_rest(kind: type) -> bool:
    try:
        from rest_framework.authentication import BaseAuthentication
    except ImportError:
        return False
    return issubclass(kind, BaseAuthentication)


def _is_session(kind: type) -> bool:
    """Whether it takes the user that Django's middleware has found. It would demand a CSRF token, too, which no
    handshake has: nodes check the origin instead."""
    from rest_framework.authentication import SessionAuthentication

    return issubclass(kind, SessionAuthentication)


def _session() -> Session:
    if not _has_sessions():
        raise ImproperlyConfigured("INSTALLED_APPS has to contain django.contrib.auth and django.contrib.sessions")
    return Session()


def _has_sessions() -> bool:
    # A project may have sessions of its own in the place of `django.contrib.sessions`.
    engine = settings.SESSION_ENGINE
    has_store = engine not in NEED_TABLE or apps.is_installed("django.contrib.sessions")
    return apps.is_installed("django.contrib.auth") and bool(engine) and has_store


def _installed() -> list[Authenticator]:
    if not apps.is_installed("rest_framework"):
        return []
    from rest_framework.settings import api_settings

    kinds: list[type] = list(api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    for app, dotted in (
        ("rest_framework.authtoken", "rest_framework.authentication.TokenAuthentication"),
        ("knox", "knox.auth.TokenAuthentication"),
    ):
        if apps.is_installed(app) and not any(issubclass(kind, import_string(dotted)) for kind in kinds):
            kinds.append(import_string(dotted))
    return [RestFramework(kind) for kind in kinds if not _is_session(kind)]


def _forget(*, setting: str, **_: Any) -> None:
    if setting in ("CHANNELGATE", "REST_FRAMEWORK", "INSTALLED_APPS"):
        authenticators.cache_clear()


setting_changed.connect(_forget)
