"""Connections to the nodes' Redis: that of `CHANNELGATE["REDIS_URL"]`, else the first host of the channel layer."""

import functools
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from channelgate.conf import conf
from channelgate.locks import Lock

_lock = Lock()
#: Of an exchange with Redis, in seconds; what the project writes for its host goes before.
TIMEOUTS = {"socket_connect_timeout": 3, "socket_timeout": 5}


def layer_settings() -> Mapping[str, Any]:
    """The default channel layer as CHANNEL_LAYERS has it; empty if there is none."""
    layers = getattr(settings, "CHANNEL_LAYERS", None) or {}
    found: Mapping[str, Any] = layers.get("default") or {}
    return found


def is_redis_layer() -> bool:
    """Whether the default channel layer is one of channels_redis, or a class of the project's own on top of one."""
    backend = str(layer_settings().get("BACKEND", ""))
    if not backend or backend.startswith("channels_redis."):
        return bool(backend)
    try:
        kind = import_string(backend)
    except ImportError:
        return False
    return any(base.__module__.startswith("channels_redis.") for base in getattr(kind, "__mro__", ()))


def is_known() -> bool:
    """Whether the settings name the nodes' Redis."""
    return conf().redis_url is not None or is_redis_layer()


def host() -> dict[str, Any]:
    """The arguments of a connection, as an entry of channels_redis's `hosts`."""
    redis = conf().redis_url
    if redis is not None:
        return _entry(redis)
    if not is_redis_layer():
        raise ImproperlyConfigured(
            'CHANNELGATE["REDIS_URL"] is not set, and the default channel layer is not one of channels_redis: set it '
            "to the node's REDIS_URL"
        )
    hosts = layer_settings().get("CONFIG", {}).get("hosts") or ["redis://localhost:6379"]
    return _entry(hosts[0])


def _entry(entry: Any) -> dict[str, Any]:
    match entry:
        case Mapping():
            return dict(entry)
        case str():
            return {"address": entry}
        case (name, port):
            return {"host": name, "port": port}
    raise ImproperlyConfigured(f"a host of Redis is a URL, a pair or a dictionary, not {type(entry).__name__}")


def connect() -> Any:
    """A client with a pool that the process keeps."""
    import redis

    return redis.Redis(connection_pool=pool())


def pool(**options: Any) -> Any:
    """A pool that the process keeps, for these options; they go before those of the project."""
    # Threads that ask at once would each make one.
    with _lock:
        return _kept(_Frozen({**host(), **options}))


class _Frozen:
    """Arguments as a key: equal if they are written the same."""

    def __init__(self, arguments: dict[str, Any]):
        self.arguments = arguments
        self.text = repr(sorted(arguments.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


@functools.lru_cache(maxsize=8)
def _kept(place: _Frozen) -> Any:
    import redis
    import redis.sentinel

    return _pool(redis, place.arguments)


def connect_here() -> Any:
    """A client of the running loop, to be closed."""
    import redis.asyncio
    import redis.asyncio.sentinel

    return redis.asyncio.Redis(connection_pool=_pool(redis.asyncio, host()))


def _pool(kind: Any, arguments: dict[str, Any]) -> Any:
    arguments = {**TIMEOUTS, **_of_kind(kind, arguments)}
    if "address" in arguments:
        address = arguments.pop("address")
        if address.startswith("unix:"):
            # redis-py before 6 does not know this for sockets in the file system.
            del arguments["socket_connect_timeout"]
        return kind.ConnectionPool.from_url(address, **arguments)
    if "master_name" in arguments:
        master = arguments.pop("master_name")
        sentinels = arguments.pop("sentinels")
        limits = {key: value for key, value in arguments.items() if key in TIMEOUTS}
        sentinel = kind.sentinel.Sentinel(
            sentinels, sentinel_kwargs={**limits, **(arguments.pop("sentinel_kwargs", None) or {})}
        )
        return kind.sentinel.SentinelConnectionPool(master, sentinel, **arguments)
    return kind.ConnectionPool(**arguments)


def _of_kind(kind: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """A host is written for channels_redis: classes and objects in it may be those of redis.asyncio."""
    if kind.__name__.endswith(".asyncio"):
        return arguments
    found = dict(arguments)
    wanted = found.get("connection_class")
    if wanted is not None and wanted.__module__.startswith("redis.asyncio"):
        found["connection_class"] = getattr(kind, wanted.__name__)
    if type(found.get("retry")).__module__.startswith("redis.asyncio"):
        del found["retry"]
    return found
