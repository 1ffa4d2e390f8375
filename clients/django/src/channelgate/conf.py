"""The setting `CHANNELGATE`, read once and read again when a test changes it."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

#: Every key and its default.
DEFAULTS: dict[str, Any] = {
    "SECRET": None,
    "DESCRIBE": "channelgate.users.describe",
    "ACTIONS_MODULE": "actions",
    "AUTHENTICATORS": None,
    "LOGOUT": True,
    "REDIS": None,
    "BRIDGE": {"MODELS": "snapshot", "MAX_STATE": 65536, "MIDDLEWARE": "connect", "REPLAY_CACHE": None},
}


@dataclasses.dataclass(frozen=True, slots=True)
class Conf:
    """What the bridge and the actions use of the setting."""

    secrets: tuple[bytes, ...]
    describe: str
    actions_module: str
    #: Dotted names, or None for what is installed.
    authenticators: tuple[str, ...] | None
    #: Whether a logout ends its connections.
    logout: bool
    redis: Any
    models: str
    max_state: int
    every: bool
    replay_cache: str | None


def raw() -> Mapping[str, Any]:
    """The setting as it is written."""
    value = getattr(settings, "CHANNELGATE", None) or {}
    if not isinstance(value, Mapping):
        raise ImproperlyConfigured("CHANNELGATE must be a dictionary")
    return value


def _choice(key: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ImproperlyConfigured(f'CHANNELGATE["BRIDGE"]["{key}"] must be one of {", ".join(map(repr, choices))}')
    return str(value)


def _names(key: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) for one in value):
        raise ImproperlyConfigured(f'CHANNELGATE["{key}"] must be a list of names, or None')
    return tuple(value)


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ImproperlyConfigured(f'CHANNELGATE["{key}"] must be True or False')
    return value


def secrets_of(value: Any) -> tuple[bytes, ...]:
    """`SECRET` as a tuple: a text, or a list of texts while a secret is being exchanged."""
    if value is None or value == "":
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(one, str) for one in values):
        raise ImproperlyConfigured('CHANNELGATE["SECRET"] must be a text or a list of texts')
    return tuple(one.encode() for one in values if one)


@functools.lru_cache(maxsize=1)
def conf() -> Conf:
    """The setting, checked."""
    given = raw()
    written = given.get("BRIDGE") or {}
    if not isinstance(written, Mapping):
        raise ImproperlyConfigured('CHANNELGATE["BRIDGE"] must be a dictionary')
    bridge = {**DEFAULTS["BRIDGE"], **written}
    max_state = bridge["MAX_STATE"]
    if isinstance(max_state, bool) or not isinstance(max_state, int) or max_state < 1:
        raise ImproperlyConfigured('CHANNELGATE["BRIDGE"]["MAX_STATE"] must be a number of bytes')
    redis = given.get("REDIS") or None
    if redis is not None and not isinstance(redis, str | Mapping):
        raise ImproperlyConfigured('CHANNELGATE["REDIS"] must be a URL, or a dictionary as an entry of "hosts"')
    return Conf(
        secrets=secrets_of(given.get("SECRET")),
        describe=given.get("DESCRIBE") or DEFAULTS["DESCRIBE"],
        actions_module=given.get("ACTIONS_MODULE") or DEFAULTS["ACTIONS_MODULE"],
        authenticators=_names("AUTHENTICATORS", given.get("AUTHENTICATORS")),
        logout=_flag("LOGOUT", given.get("LOGOUT", True)),
        redis=redis,
        models=_choice("MODELS", bridge["MODELS"], ("snapshot", "pk")),
        max_state=max_state,
        every=_choice("MIDDLEWARE", bridge["MIDDLEWARE"], ("connect", "every")) == "every",
        replay_cache=bridge["REPLAY_CACHE"],
    )


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CHANNELGATE":
        conf.cache_clear()


setting_changed.connect(_forget)
