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


class WrongSetting(ImproperlyConfigured):  # type: ignore[misc]
    """A value of the setting that is not valid; `hint` says what it is, and what the default is."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text)
        self.hint = hint


def raw() -> Mapping[str, Any]:
    """The setting as it is written."""
    value = getattr(settings, "CHANNELGATE", None) or {}
    if not isinstance(value, Mapping):
        raise WrongSetting(
            "CHANNELGATE must be a dictionary", f'{_kind(value)} Write {{"SECRET": "…"}}, or leave it out.'
        )
    return value


def _wrong(key: str, what: str, value: Any) -> WrongSetting:
    where = "".join(f'["{part}"]' for part in key.split("."))
    default: Any = DEFAULTS
    for part in key.split("."):
        default = default[part]
    return WrongSetting(
        f"CHANNELGATE{where} must be {what}", f"{_kind(value)} Without this key it is the default: {default!r}."
    )


def _kind(value: Any) -> str:
    """What was found. The value itself may be a secret."""
    return f"It is {'None' if value is None else f'of the type {type(value).__name__}'}."


def _inner(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A dictionary of settings with its defaults."""
    written = given.get(key) or {}
    if not isinstance(written, Mapping):
        raise _wrong(key, "a dictionary", written)
    return {**DEFAULTS[key], **written}


def _is_text(value: Any) -> bool:
    """Whether it is text that has a form in UTF-8, without a NUL: a variable of a node can hold it."""
    try:
        return isinstance(value, str) and b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _choice(key: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise _wrong(key, f"one of {', '.join(map(repr, choices))}", value)
    return str(value)


def _names(key: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) for one in value):
        raise _wrong(key, "a list of names, or None", value)
    return tuple(value)


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(key, "True or False", value)
    return value


def _text(key: str, value: Any) -> str:
    if not _is_text(value) or not value:
        raise _wrong(key, "a text, and not empty", value)
    return str(value)


def _alias(key: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _wrong(key, "the name of a cache, or None", value)
    return value


def _dotted(key: str, value: Any, what: str) -> str:
    """A name such as `shop.users.describe`; the default for None and an empty text."""
    value = DEFAULTS[key] if value in (None, "") else value
    if not isinstance(value, str) or not all(part.isidentifier() for part in value.split(".")):
        raise _wrong(key, what, value)
    return value


def _whole(key: str, value: Any, most: int | None, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        raise _wrong(key, what, value)
    return value


def _seconds(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_TIMEOUT:
        raise _wrong(key, f"a number of seconds, more than 0 and at most {MAX_TIMEOUT}", value)
    return float(value)


def _url(key: str, value: Any) -> str:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        # What urlsplit() leaves out, a connection would be made with.
        is_url = is_url and value.isprintable() and " " not in value and _is_text(value)
    except ValueError:
        is_url = False
    if not is_url:
        raise _wrong(key, f'a URL of a node, such as "{DEFAULTS["URL"]}"', value)
    return str(value).rstrip("/")


def _redis(key: str, value: Any) -> Any:
    if value is not None and not isinstance(value, str | Mapping):
        raise _wrong(key, 'a URL, or a dictionary as an entry of "hosts"', value)
    return value or None


def _path(key: str, value: Any) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise _wrong(key, "the path of channelgate.toml, or None", value)
    path = os.fspath(value)
    if not _is_text(path):
        raise _wrong(key, "the path of channelgate.toml, or None", value)
    return Path(path)


def _api_key(key: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _wrong(key, "a text, or None", value)
    # An error of the HTTP client about another character would quote the key.
    if value and not (value.isascii() and value.isprintable() and value == value.strip()):
        raise _wrong(
            key, "printable ASCII, without a line break or a space at its ends (strip() what a file has)", value
        )
    return value or None


def secrets_of(value: Any) -> tuple[bytes, ...]:
    """`SECRET` as a tuple: a text, or a list of texts while a secret is being exchanged."""
    if value is None or value == "":
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(_is_text(one) for one in values):
        raise _wrong("SECRET", "a text or a list of texts", value)
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
    return _read(raw())


def written(key: str) -> Any:
    """What is written for a key; None where the setting is not a dictionary, which E005 says."""
    value = getattr(settings, "CHANNELGATE", None)
    return value.get(key) if isinstance(value, Mapping) else None


def wrong_values() -> list[WrongSetting]:
    """What is wrong with each key; empty where `conf()` is valid."""
    found: list[WrongSetting] = []
    try:
        given = raw()
    except WrongSetting as error:
        return [error]
    for key, value in given.items():
        is_table = isinstance(DEFAULTS.get(key), Mapping) and isinstance(value, Mapping)
        for one in [{name: inner} for name, inner in value.items()] if is_table else [value]:
            try:
                _read({key: one})
            except WrongSetting as error:
                found.append(error)
    return found


def actions_module() -> str:
    """The name of the modules with actions. Other keys may be wrong: `manage.py check` says it, after the apps are
    loaded."""
    try:
        return _read({"ACTIONS_MODULE": raw().get("ACTIONS_MODULE")}).actions_module
    except WrongSetting:
        return str(DEFAULTS["ACTIONS_MODULE"])


def _read(given: Mapping[str, Any]) -> Conf:
    """The values of these keys, and the defaults of all others."""
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
        describe=_dotted(
            "DESCRIBE", given.get("DESCRIBE"), 'the dotted name of a function, such as "shop.users.describe"'
        ),
        actions_module=_dotted(
            "ACTIONS_MODULE", given.get("ACTIONS_MODULE"), 'the name of a module, such as "actions"'
        ),
        authenticators=_names("AUTHENTICATORS", all_keys["AUTHENTICATORS"]),
        disconnect_on_logout=_flag("DISCONNECT_ON_LOGOUT", all_keys["DISCONNECT_ON_LOGOUT"]),
        config=_path("CONFIG", all_keys["CONFIG"]),
        models=_choice("BRIDGE.MODELS", bridge["MODELS"], ("snapshot", "pk")),
        max_state=_whole("BRIDGE.MAX_STATE", bridge["MAX_STATE"], None, "a number of bytes"),
        every=_choice("BRIDGE.MIDDLEWARE", bridge["MIDDLEWARE"], ("connect", "every")) == "every",
        replay_cache=_alias("BRIDGE.REPLAY_CACHE", bridge["REPLAY_CACHE"]),
    )


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CHANNELGATE":
        conf.cache_clear()


setting_changed.connect(_forget)
