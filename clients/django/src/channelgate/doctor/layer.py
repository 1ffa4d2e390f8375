"""Checks of the channel layer: which it is, and whether its Redis answers."""

import time
from collections.abc import Iterator

from channelgate.doctor import redis
from channelgate.doctor.context import Context
from channelgate.doctor.result import Result, fail, ok

_KINDS = {
    "channels_redis.core.RedisChannelLayer": "core",
    "channels_redis.pubsub.RedisPubSubChannelLayer": "pubsub",
}


def kind() -> str | None:
    """`core` or `pubsub`; None for a layer that nodes cannot read."""
    from django.utils.module_loading import import_string

    dotted = str(redis.written().get("BACKEND", ""))
    if dotted in _KINDS:
        return _KINDS[dotted]
    try:
        bases = {f"{one.__module__}.{one.__qualname__}" for one in import_string(dotted).__mro__}
    except (ImportError, AttributeError):
        return None
    return next((name for base, name in _KINDS.items() if base in bases), None)


def which_layer(context: Context) -> Iterator[Result]:
    """`CHANNEL_LAYERS["default"]`."""
    dotted = str(redis.written().get("BACKEND", ""))
    name = dotted.rpartition(".")[2]
    cure = 'Set CHANNEL_LAYERS["default"] to channels_redis.core.RedisChannelLayer, with the REDIS_URL of the node.'
    if not dotted:
        yield fail('CHANNEL_LAYERS has no "default"', cure)
        return
    if name == "InMemoryChannelLayer":
        yield fail('CHANNEL_LAYERS["default"] is InMemoryChannelLayer: messages stay inside one process.', cure)
        return
    if kind() is None:
        yield fail(f'CHANNEL_LAYERS["default"] is {name}, which nodes cannot read', cure)
        return
    where = ", ".join(redis.address(host) for host in redis.hosts())
    prefix = redis.written().get("CONFIG", {}).get("prefix", "asgi")
    yield ok(f"The channel layer is {name} at {where}, prefix {prefix}")


def redis_answers(context: Context) -> Iterator[Result]:
    """A PING to each host."""
    for host in redis.hosts():
        where = redis.address(host)
        try:
            with redis.client(host) as client:
                client.ping()
                began = time.perf_counter()
                client.ping()
                took = (time.perf_counter() - began) * 1000
        except Exception as error:
            yield fail(
                f"Redis {where} does not answer: {' '.join(str(error).split()) or type(error).__name__}",
                'Start Redis, or correct "hosts" in CHANNEL_LAYERS.',
            )
        else:
            yield ok(f"Redis {where} answers in {took:.1f} ms")
