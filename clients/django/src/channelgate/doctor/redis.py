"""The Redis servers of the project's channel layer: their addresses without secrets, and clients that do not wait."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from channelgate import places

#: Seconds; the project's own are made for work, not for questions.
TIMEOUTS = {"socket_connect_timeout": 2.0, "socket_timeout": 3.0}
DEFAULT = "redis://localhost:6379"


def written(alias: str = "default") -> Mapping[str, Any]:
    """The layer in the settings; empty if there is none."""
    layers = getattr(settings, "CHANNEL_LAYERS", None) or {}
    found = layers.get(alias) if isinstance(layers, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def hosts() -> list[dict[str, Any]]:
    """The hosts of the layer, each as the arguments of a connection."""
    found = written().get("CONFIG", {}).get("hosts") or [DEFAULT]
    return [places._entry(one) for one in ([found] if isinstance(found, str | bytes) else found)]


def address(host: Mapping[str, Any]) -> str:
    """Where a host is, without user and password."""
    if "master_name" in host:
        return f"the master {host['master_name']!r} of Sentinel"
    if "address" not in host:
        path = host.get("path") or host.get("unix_socket_path")
        return str(path) if path else f"{host.get('host', 'localhost')}:{host.get('port', 6379)}/{host.get('db', 0)}"
    url = str(host["address"])
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    database = parts.path if parts.scheme == "unix" or parts.path not in ("", "/") else f"/{host.get('db', 0)}"
    return f"{parts.scheme}://{netloc}{database}"


@contextlib.contextmanager
def client(host: Mapping[str, Any]) -> Iterator[Any]:
    """A client of one host, closed at the end."""
    import redis
    import redis.sentinel

    pool = places._pool(redis, {**host, **TIMEOUTS})
    try:
        yield redis.Redis(connection_pool=pool)
    finally:
        pool.disconnect()
