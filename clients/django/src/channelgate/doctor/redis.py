"""The Redis servers of the project's channel layer: clients that do not wait."""

import contextlib
from collections.abc import Iterator
from typing import Any

from channelgate import places
from channelgate.derive.hosts import Host

#: Seconds; the project's own are made for work, not for questions.
TIMEOUTS = {"socket_connect_timeout": 2.0, "socket_timeout": 3.0}


@contextlib.contextmanager
def client(host: Host) -> Iterator[Any]:
    """A client of one host, closed at the end."""
    import redis
    import redis.sentinel

    pool = places._pool(redis, {**places._entry(host.value), **TIMEOUTS})
    try:
        yield redis.Redis(connection_pool=pool)
    finally:
        pool.disconnect()
