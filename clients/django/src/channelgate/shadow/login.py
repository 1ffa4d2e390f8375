"""Who connects: a session made for a user and removed afterwards, or a token, cookies and headers as they are given.

A value `env:NAME` is read from the environment, so that no secret stands in the list of processes.
"""

import contextlib
import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from channelgate.shadow.secrets import Secrets
from channelgate.shadow.target import ANONYMOUS, Visitor, ids_in

#: Headers whose values are not secret.
_PLAIN = frozenset({"host", "origin", "user-agent", "accept-language"})
#: A session outlives the run by this, should the command be killed before it removes it; in seconds.
SPARE = 300


class NoLogin(Exception):
    """The text says why such a login cannot connect."""


@contextlib.contextmanager
def visitor(options: Mapping[str, Any], secrets: Secrets) -> Iterator[Visitor]:
    """The visitor of the options; its session exists as long as the context."""
    with contextlib.ExitStack() as stack:
        who = ""
        cookies: list[str] = []
        ids = list(ids_in(options["path"]))
        if options["user"] is not None:
            user = _user(options["user"])
            key = stack.enter_context(_session(user, options["seconds"] + SPARE))
            secrets.add(key)
            cookies.append(f"{_cookie_name()}={key}")
            ids.append(str(user.pk))
            who = f"user {user.pk}"
        headers: list[tuple[str, str]] = []
        for text in options["header"]:
            name, value = _pair("--header", text, ":")
            if name.lower() not in _PLAIN:
                secrets.add(value)
                _, _, credential = value.partition(" ")
                secrets.add(credential)
            headers.append((name, value))
        for text in options["cookie"]:
            name, value = _pair("--cookie", text, "=")
            secrets.add(value)
            cookies.append(f"{name}={value}")
        token = _value("--token", options["token"]) if options["token"] is not None else None
        if token is not None:
            secrets.add(token)
        given = ("a token", token), ("cookies", options["cookie"]), ("headers", options["header"])
        names = [what for what, value in given if value]
        if cookies:
            headers.append(("Cookie", "; ".join(cookies)))
        yield Visitor(
            name=f"{who or 'a client'} with {' and '.join(names)}" if names else who or ANONYMOUS,
            headers=tuple(headers),
            token=token,
            subprotocols=tuple(options["subprotocol"]),
            origin=options["origin"],
            ids=tuple(ids),
        )


def _pair(option: str, text: str, between: str) -> tuple[str, str]:
    name, found, value = text.partition(between)
    if not found or not name.strip():
        example = "Authorization: Bearer …" if between == ":" else "access=…"
        raise NoLogin(f"{option}: write a name and a value, such as {example}")
    return name.strip(), _value(option, value.strip())


def _value(option: str, text: str) -> str:
    """A value, which may be one of the environment."""
    if not text.startswith("env:"):
        return text
    name = text.removeprefix("env:")
    if name not in os.environ:
        raise NoLogin(f"{option} env:{name}: the environment has no {name}")
    return os.environ[name]


def _cookie_name() -> str:
    from django.conf import settings

    return str(settings.SESSION_COOKIE_NAME)


def _user(key: str) -> Any:
    from django.apps import apps
    from django.contrib.auth import get_user_model
    from django.core.exceptions import ValidationError

    if not apps.is_installed("django.contrib.sessions"):
        raise NoLogin(
            "--user makes a session, and django.contrib.sessions is not in INSTALLED_APPS. "
            "Use --token (manage.py channelgate token makes one), --cookie or --header."
        )
    model = get_user_model()
    with contextlib.suppress(ValidationError, ValueError, model.DoesNotExist):
        return model._default_manager.get(pk=model._meta.pk.to_python(key))
    raise NoLogin(f"--user {key}: no user has this primary key")


@contextlib.contextmanager
def _session(user: Any, seconds: float) -> Iterator[str]:
    """A session as `login()` makes it, without its signal, which would change the user's last login."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    _check_cache(settings)
    store = importlib.import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = user._meta.pk.value_to_string(user)
    store[BACKEND_SESSION_KEY] = _backend(user, settings.AUTHENTICATION_BACKENDS)
    store[HASH_SESSION_KEY] = user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else ""
    store.set_expiry(int(seconds))
    store.save()
    try:
        yield store.session_key
    finally:
        store.delete()


def _check_cache(settings: Any) -> None:
    """A cache of this process alone is unknown to the servers."""
    alias = getattr(settings, "SESSION_CACHE_ALIAS", "default")
    backend = settings.CACHES.get(alias, {}).get("BACKEND", "")
    if settings.SESSION_ENGINE.endswith(".cache") and backend.endswith((".LocMemCache", ".DummyCache")):
        raise NoLogin(
            f'The sessions are in the cache "{alias}", which is {backend.rpartition(".")[2]}: no server would find '
            "the one made here. Use --cookie with a session of a browser."
        )


def _backend(user: Any, backends: Sequence[str]) -> str:
    """The first backend that knows the user: Channels and Django ask this one."""
    from django.contrib.auth import load_backend

    for path in backends:
        with contextlib.suppress(Exception):
            if load_backend(path).get_user(user.pk) is not None:
                return path
    raise NoLogin(f"No backend of AUTHENTICATION_BACKENDS finds user {user.pk}: is the user active?")
