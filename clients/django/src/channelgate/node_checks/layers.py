"""Checks of `CHANNEL_LAYERS["default"]`: E001, W003, W004 and W007."""

from collections.abc import Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.test import utils

from channelgate.derive import layer
from channelgate.derive.values import plain, text_of
from channelgate.node_checks.known import RUN, has


def check_layer(**_: Any) -> list[CheckMessage]:
    """Whether nodes hear what the project sends."""
    kind, _reason = layer.backend()
    if layer.is_in_memory(kind):
        if is_testing():
            return []
        return [Error(layer.IN_MEMORY, hint=layer.OF_REDIS, id="channelgate.E001")]
    which = layer.kind_of(kind)
    if which is None:
        return []
    config = plain(layer.written().get("CONFIG")) or {}
    if not isinstance(config, Mapping):
        return []
    found: list[CheckMessage] = []
    prefix = text_of(plain(config.get("prefix", layer.DEFAULT_PREFIX)))
    if (
        prefix is not None
        and prefix != layer.DEFAULT_PREFIX
        and not has("CHANNELGATE_LAYER_PREFIX", "layer.prefix", wanted=prefix)
    ):
        text = f'The channel layer\'s prefix is "{prefix}"; the node\'s default is "asgi". '
        found.append(Warning(f"{text}Set CHANNELGATE_LAYER_PREFIX={prefix}.", hint=RUN, id="channelgate.W003"))
    if layer.ignores_keys(which, config):
        hint = "Install channels_redis 4.2.1 or later."
        found.append(Warning(layer.IGNORED_KEYS, hint=hint, id="channelgate.W004"))
    hosts = plain(config.get("hosts"))
    count = len(hosts) if isinstance(hosts, list | tuple) else 1
    if count > 1 and not has("CHANNELGATE__LAYER__HOSTS", "layer.hosts"):
        text = f"CHANNEL_LAYERS lists {count} hosts; the node needs the same {count} in the same order "
        found.append(Warning(f"{text}(CHANNELGATE__LAYER__HOSTS).", hint=RUN, id="channelgate.W007"))
    return found


def is_testing() -> bool:
    """Whether this process runs tests, where a layer in memory is usual.

    Django's runner and pytest-django set up a test environment before they run checks; `manage.py check`, `runserver`
    and `migrate` do not.
    """
    return hasattr(utils._TestState, "saved_data")
