"""Check of the versions: releases of the packages and of Redis with a known trouble."""

import contextlib
import re
from collections.abc import Iterator
from importlib import metadata

from channelgate.derive import layer as layers
from channelgate.derive.hosts import Host
from channelgate.doctor import redis
from channelgate.doctor.context import Context
from channelgate.doctor.layer import known
from channelgate.doctor.result import Result, fail, ok, warn

#: The oldest Redis with BZPOPMIN, which the core layer and the nodes need.
REDIS = (5, 0)


def versions(context: Context) -> Iterator[Result]:
    """channels_redis, its client, and the server."""
    found = {name: version for name in ("channels_redis", "redis") if (version := _version(name)) is not None}
    troubles = list(known_troubles(found))
    config = layers.written().get("CONFIG") or {}
    if layers.ignores_keys(layers.kind_of(layers.backend()[0]), config):
        troubles.append(fail(layers.IGNORED_KEYS, "pip install 'channels_redis>=4.2.1'"))
    if not context.broken & {"the channel layer", "Redis"}:
        for host in known().hosts:
            troubles += _of_server(host)
    yield from troubles
    if found and not troubles:
        yield ok(f"{', '.join(f'{name} {version}' for name, version in found.items())}: no known trouble")


def known_troubles(found: dict[str, str]) -> Iterator[Result]:
    """What is known of these releases, whatever the settings."""
    channels_redis = found.get("channels_redis")
    if channels_redis is not None and parsed(channels_redis) < (3, 0):
        yield warn(
            f"channels_redis {channels_redis}: nodes read its groups, and it needs Channels 2",
            "pip install 'channels_redis>=4.2.1'",
        )


def _of_server(host: Host) -> Iterator[Result]:
    # A user without the right to ask is not a trouble.
    with contextlib.suppress(Exception), redis.client(host) as client:
        version = str(client.info("server").get("redis_version", ""))
        if version and parsed(version) < REDIS:
            yield fail(f"Redis {host.label} is {version}", "Nodes need Redis 5 or later.")


def parsed(version: str) -> tuple[int, ...]:
    """The numbers at the beginning of a version."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
