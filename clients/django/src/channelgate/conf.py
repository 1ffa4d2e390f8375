"""The setting `CHANNELGATE`, read once and read again when a test changes it."""

import dataclasses
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

#: Every key and its default.
DEFAULTS: dict[str, Any] = {
    "URL": "http://127.0.0.1:8001",
    "REDIS_URL": None,
    "PREFIX": "channelgate:",
    "SECRET": None,
    "API_KEY": None,
    "PUBLISH": {"VIA": "auto", "ON_COMMIT": True, "TIMEOUT": 2.0, "CONNECTIONS": 4, "ON_ERROR": "log"},
    "WS_TOKEN": {"LIFETIME": 1800, "FORM": "opaque", "CACHE": "default", "SINGLE_USE": False},
    "DESCRIBE": "channelgate.users.describe",
    "AUTHENTICATORS": None,
    "DISCONNECT_ON_LOGOUT": True,
    "ACTIONS_MODULE": "actions",
    "CONFIG": None,
    "BRIDGE": {"MODELS": "snapshot", "MAX_STATE": 65536, "MIDDLEWARE": "connect", "REPLAY_CACHE": None},
}
#: Keys of former versions, and their names now.
RENAMED = {"REDIS": "REDIS_URL", "LOGOUT": "DISCONNECT_ON_LOGOUT"}
#: The ways of a message to the nodes.
ROUTES = ("auto", "layer", "redis", "http")
#: The longest time for which a send may wait, and a ws-token be valid, in seconds.
MAX_TIMEOUT, MAX_LIFETIME = 60, 30 * 24 * 3600
#: More connections for publishing are an error in the setting.
MAX_CONNECTIONS = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Publishing:
    """`PUBLISH`: how messages are sent."""

    via: str
    on_commit: bool
    #: Seconds for which a call may wait.
    timeout: float
    #: The most sends at once.
    connections: int
    #: Whether a message that could not be sent is an error of the caller.
    raises: bool


@dataclasses.dataclass(frozen=True, slots=True)
class WsTokens:
    """`WS_TOKEN`: the tokens with which pages open WebSockets."""

    #: In seconds.
    lifetime: int
    form: str
    cache: str
    single_use: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Conf:
    """What the package uses of the setting."""

    #: A node, without a slash at the end.
    url: str
    #: A URL, or a dictionary as an entry of `hosts`.
    redis_url: Any
    #: What the channels of plain publishes begin with.
    prefix: str
    secrets: tuple[bytes, ...]
    api_key: str | None
    publish: Publishing
    ws_token: WsTokens
    describe: str
    actions_module: str
    #: Dotted names, or None for what is installed.
    authenticators: tuple[str, ...] | None
    #: Whether a logout ends its connections.
    disconnect_on_logout: bool
    #: The node's configuration file, if it is not in its usual place.
    config: Path | None
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


def _wrong(key: str, what: str) -> ImproperlyConfigured:
    where = "".join(f'["{part}"]' for part in key.split("."))
    return ImproperlyConfigured(f"CHANNELGATE{where} must be {what}")


def _inner(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A dictionary of settings with its defaults."""
    written = given.get(key) or {}
    if not isinstance(written, Mapping):
        raise _wrong(key, "a dictionary")
    return {**DEFAULTS[key], **written}


def _choice(key: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise _wrong(key, f"one of {', '.join(map(repr, choices))}")
    return str(value)


def _names(key: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) for one in value):
        raise _wrong(key, "a list of names, or None")
    return tuple(value)


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(key, "True or False")
    return value


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(key, "a text, and not empty")
    return value


def _whole(key: str, value: Any, most: int | None, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        raise _wrong(key, what)
    return value


def _seconds(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_TIMEOUT:
        raise _wrong(key, f"a number of seconds, more than 0 and at most {MAX_TIMEOUT}")
    return float(value)


def _url(key: str, value: Any) -> str:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise _wrong(key, f'a URL of a node, such as "{DEFAULTS["URL"]}"')
    return str(value).rstrip("/")


def _redis(key: str, value: Any) -> Any:
    if value is not None and not isinstance(value, str | Mapping):
        raise _wrong(key, 'a URL, or a dictionary as an entry of "hosts"')
    return value or None


def _path(key: str, value: Any) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise _wrong(key, "the path of channelgate.toml, or None")
    return Path(value)


def _api_key(key: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _wrong(key, "a text, or None")
    # An error of the HTTP client about another character would quote the key.
    if value and not (value.isascii() and value.isprintable() and value == value.strip()):
        raise _wrong(key, "printable ASCII, without a line break or a space at its ends (strip() what a file has)")
    return value or None


def secrets_of(value: Any) -> tuple[bytes, ...]:
    """`SECRET` as a tuple: a text, or a list of texts while a secret is being exchanged."""
    if value is None or value == "":
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(one, str) for one in values):
        raise _wrong("SECRET", "a text or a list of texts")
    return tuple(one.encode() for one in values if one)


def _publishing(given: Mapping[str, Any]) -> Publishing:
    inner = _inner(given, "PUBLISH")
    return Publishing(
        via=_choice("PUBLISH.VIA", inner["VIA"], ROUTES),
        on_commit=_flag("PUBLISH.ON_COMMIT", inner["ON_COMMIT"]),
        timeout=_seconds("PUBLISH.TIMEOUT", inner["TIMEOUT"]),
        connections=_whole(
            "PUBLISH.CONNECTIONS", inner["CONNECTIONS"], MAX_CONNECTIONS, f"a number from 1 to {MAX_CONNECTIONS}"
        ),
        raises=_choice("PUBLISH.ON_ERROR", inner["ON_ERROR"], ("log", "raise")) == "raise",
    )


def _ws_tokens(given: Mapping[str, Any]) -> WsTokens:
    inner = _inner(given, "WS_TOKEN")
    seconds = f"a whole number of seconds, at least 1 and at most {MAX_LIFETIME} (30 days)"
    return WsTokens(
        lifetime=_whole("WS_TOKEN.LIFETIME", inner["LIFETIME"], MAX_LIFETIME, seconds),
        form=_choice("WS_TOKEN.FORM", inner["FORM"], ("opaque", "jwt")),
        cache=_text("WS_TOKEN.CACHE", inner["CACHE"]),
        single_use=_flag("WS_TOKEN.SINGLE_USE", inner["SINGLE_USE"]),
    )


@functools.lru_cache(maxsize=1)
def conf() -> Conf:
    """The setting, checked."""
    given = raw()
    all_keys = {**DEFAULTS, **given}
    bridge = _inner(given, "BRIDGE")
    return Conf(
        url=_url("URL", all_keys["URL"]),
        redis_url=_redis("REDIS_URL", all_keys["REDIS_URL"]),
        prefix=_text("PREFIX", all_keys["PREFIX"]),
        secrets=secrets_of(all_keys["SECRET"]),
        api_key=_api_key("API_KEY", all_keys["API_KEY"]),
        publish=_publishing(given),
        ws_token=_ws_tokens(given),
        describe=given.get("DESCRIBE") or DEFAULTS["DESCRIBE"],
        actions_module=given.get("ACTIONS_MODULE") or DEFAULTS["ACTIONS_MODULE"],
        authenticators=_names("AUTHENTICATORS", all_keys["AUTHENTICATORS"]),
        disconnect_on_logout=_flag("DISCONNECT_ON_LOGOUT", all_keys["DISCONNECT_ON_LOGOUT"]),
        config=_path("CONFIG", all_keys["CONFIG"]),
        models=_choice("BRIDGE.MODELS", bridge["MODELS"], ("snapshot", "pk")),
        max_state=_whole("BRIDGE.MAX_STATE", bridge["MAX_STATE"], None, "a number of bytes"),
        every=_choice("BRIDGE.MIDDLEWARE", bridge["MIDDLEWARE"], ("connect", "every")) == "every",
        replay_cache=bridge["REPLAY_CACHE"],
    )


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CHANNELGATE":
        conf.cache_clear()


setting_changed.connect(_forget)
