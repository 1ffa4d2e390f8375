"""Checks of the channel layer: which it is, and whether its Redis answers."""

import time
from collections.abc import Iterator

from channelgate.derive import Derived
from channelgate.derive import layer as layers
from channelgate.derive.hosts import Host
from channelgate.derive.layer import Layer
from channelgate.doctor import redis
from channelgate.doctor.context import Context
from channelgate.doctor.result import Result, fail, ok, warn


def known() -> Layer:
    """The layer, after it was found to be one that nodes read."""
    found = layers.layer()
    assert found is not None
    return found


def hosts() -> tuple[Host, ...]:
    """The Redis servers of the layer; without a layer, that of `CHANNELGATE["REDIS_URL"]`."""
    found = layers.layer()
    own, _ = layers.nodes_redis()
    return found.hosts if found is not None else () if own is None else (own,)


def which_layer(context: Context) -> Iterator[Result]:
    """`CHANNEL_LAYERS["default"]`."""
    found, (kind, _) = layers.layer(), layers.backend()
    if found is None or kind is None:
        context.broken.add("the channel layer")
        derived = Derived()
        layers.add(derived)
        # With REDIS_URL alone publish() works, so that is a warning.
        for problem in derived.problems:
            if problem.level != "note":
                say = fail if problem.level == "error" else warn
                yield say(problem.text, problem.hint or layers.OF_REDIS)
        return
    where = ", ".join(host.label for host in found.hosts)
    yield ok(f"The channel layer is {kind.__name__} at {where}, prefix {found.prefix}")


def redis_answers(context: Context) -> Iterator[Result]:
    """A PING to each host."""
    for host in hosts():
        try:
            with redis.client(host) as client:
                client.ping()
                began = time.perf_counter()
                client.ping()
                took = (time.perf_counter() - began) * 1000
        except Exception as error:
            why = " ".join(str(error).split()) or type(error).__name__
            cure = f'Start Redis, or correct {layers.CONFIG}["hosts"].'
            yield fail(f"Redis {host.label} does not answer: {why}", cure)
        else:
            yield ok(f"Redis {host.label} answers in {took:.1f} ms")
