"""Where the nodes' Redis is, and connections to it: `CHANNELGATE["REDIS"]`, else the layer's first host."""

import functools
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from channelgate.conf import conf

#: Of an exchange with Redis, in seconds; what the project writes for its host goes before.
TIMEOUTS = {"socket_connect_timeout": 3, "socket_timeout": 5}


def host() -> dict[str, Any]:
    """The arguments of a connection, as an entry of channels_redis's `hosts`."""
    redis = conf().redis
    if redis is not None:
        return _entry(redis)
    layer = (getattr(settings, "CHANNEL_LAYERS", None) or {}).get("default", {})
    if not str(layer.get("BACKEND", "")).startswith("channels_redis."):
        raise ImproperlyConfigured(
            'CHANNELGATE["REDIS"] is not set, and the default channel layer is not one of channels_redis: set it to '
            "the node's REDIS_URL"
        )
    hosts = layer.get("CONFIG", {}).get("hosts") or ["redis://localhost:6379"]
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
    return _client(_Frozen(host()))


class _Frozen:
    """Arguments as a key: equal if they are written the same."""

    def __init__(self, arguments: dict[str, Any]):
        self.arguments = arguments
        self.text = repr(sorted(arguments.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


@functools.lru_cache(maxsize=4)
def _client(place: _Frozen) -> Any:
    import redis
    import redis.sentinel

    return redis.Redis(connection_pool=_pool(redis, place.arguments))


def connect_here() -> Any:
    """A client of the running loop, to be closed."""
    import redis.asyncio
    import redis.asyncio.sentinel

    return redis.asyncio.Redis(connection_pool=_pool(redis.asyncio, host()))


def _pool(kind: Any, arguments: dict[str, Any]) -> Any:
    arguments = {**TIMEOUTS, **arguments}
    if "address" in arguments:
        return kind.ConnectionPool.from_url(arguments.pop("address"), **arguments)
    if "master_name" in arguments:
        master = arguments.pop("master_name")
        sentinels = arguments.pop("sentinels")
        sentinel = kind.sentinel.Sentinel(sentinels, sentinel_kwargs=arguments.pop("sentinel_kwargs", None))
        return kind.sentinel.SentinelConnectionPool(master, sentinel, **arguments)
    return kind.ConnectionPool(**arguments)
