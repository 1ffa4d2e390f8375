"""The ways of a message to the nodes, and which of them is taken."""

import importlib.util
import sys
from collections.abc import Sequence
from typing import Protocol

from django.core.exceptions import ImproperlyConfigured

from channelgate import places
from channelgate.conf import ROUTES, conf
from channelgate.publishing.values import Message


class Way(Protocol):
    """How messages travel. It tells of messages that could not be sent, and raises what the caller has to see."""

    def send(self, messages: Sequence[Message]) -> None:
        """Returns when they are sent, or given up."""
        ...

    async def asend(self, messages: Sequence[Message]) -> None:
        """The same on an event loop."""
        ...


def chosen(via: str | None) -> Way:
    """The way of this name, or that of the setting; a setting that is missing is an error of the call."""
    from channelgate.publishing.via import call, http, layer, redis

    name = via or conf().publish.via
    if name not in ROUTES:
        raise ValueError(f"via is one of {', '.join(map(repr, ROUTES))}, not {name!r}")
    if name == "auto":
        name = _automatic()
    if name == "layer":
        if call.is_running():
            return call.Call()
        if not is_patched():
            return layer.of_settings()
        name = "redis"
    return redis.of_settings() if name == "redis" else http.of_settings()


def _automatic() -> str:
    """The layer, which reaches consumers under Daphne, too; without one in Redis what else is set."""
    if places.is_redis_layer():
        return "layer"
    if conf().redis_url is not None:
        return "redis"
    if conf().api_key is not None:
        return "http"
    if places.layer_settings():
        return "layer"
    raise ImproperlyConfigured(
        "there is no way to the nodes: CHANNEL_LAYERS has no default layer, and CHANNELGATE has neither REDIS_URL (the "
        "node's Redis) nor API_KEY (the node's api.key, for CHANNELGATE[\"URL\"])"
    )


def is_patched() -> bool:
    """Whether gevent or eventlet has replaced the sockets: an event loop beside greenlets makes Django's ORM raise."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("socket"):
        return True
    eventlet = sys.modules.get("eventlet.patcher")
    return eventlet is not None and bool(eventlet.is_monkey_patched("socket"))


def needs(module: str, extra: str, what: str) -> None:
    """Raises if a package is missing."""
    if importlib.util.find_spec(module) is None:
        raise ImproperlyConfigured(f'{what} needs the package {module}: pip install "channelgate[{extra}]"')
