#!/usr/bin/env python3
"""What a message costs plain synchronous code: `publish()` of the package beside `async_to_sync(group_send)`.

    benches/publishing.py [--messages 1000] [--passes 5] [--pause SECONDS]

A Redis of its own on the loopback device, one process, one thread; the group has one member, a channel of the same
layer, which nobody reads and which has room for everything. Each pass takes the ways in turn. The table has the
least of the passes, because what else runs on the machine only adds, and the connections that Redis accepted meanwhile
(INFO, total_connections_received) in the last one.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts")]

import django  # noqa: E402
import stack  # noqa: E402
from asgiref.sync import async_to_sync  # noqa: E402
from django.conf import settings  # noqa: E402

LAYERS = {"core": "channels_redis.core.RedisChannelLayer", "pub/sub": "channels_redis.pubsub.RedisPubSubChannelLayer"}
EVENT = {"type": "order.status", "status": "paid", "order": 7, "total": "12.50"}


def measure(work: Callable[[], object], messages: int, client) -> tuple[float, int]:
    """Milliseconds per message, and connections that Redis accepted."""
    before = client.info("stats")["total_connections_received"]
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    return seconds / messages * 1000, client.info("stats")["total_connections_received"] - before


def ways(layer, messages: int) -> dict[str, Callable[[], object]]:
    """The ways to send so many messages."""
    from channelgate import publish, publish_many

    def group_send() -> None:
        for _ in range(messages):
            async_to_sync(layer.group_send)("g", EVENT)

    def one_by_one(via: str) -> None:
        for _ in range(messages):
            publish("g", EVENT, via=via)

    return {
        "async_to_sync(layer.group_send)": group_send,
        "publish()": lambda: one_by_one("layer"),
        'publish(via="redis")': lambda: one_by_one("redis"),
        "publish_many()": lambda: publish_many([("g", EVENT)] * messages, via="layer"),
        'publish_many(via="redis")': lambda: publish_many([("g", EVENT)] * messages, via="redis"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--pause", type=float, default=0, help="between the passes, on a machine that others use")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        part = stack.redis(Path(folder), stack.free_port()).start().wait()
        try:
            run(options, part.port)
        finally:
            part.stop()


def run(options: argparse.Namespace, port: int) -> None:
    import redis

    url = f"redis://{stack.LOOPBACK}:{port}/0"
    client = redis.Redis.from_url(url)
    settings.configure(
        SECRET_KEY="only for a measurement",
        INSTALLED_APPS=["channels", "channelgate"],
        CHANNEL_LAYERS={
            name: {"BACKEND": kind, "CONFIG": {"hosts": [url], "prefix": name[:4]}} for name, kind in LAYERS.items()
        },
        CHANNELGATE={"PUBLISH": {"ON_ERROR": "raise"}},
    )
    django.setup()
    from channels.layers import channel_layers

    print(
        f"Python {platform.python_version()}, Redis {client.info('server')['redis_version']}, {os.cpu_count()} cores\n"
    )
    heading = ("layer", "way", "ms per message", "connections per 1,000 messages")
    row = "| {:7} | {:33} | {:14} | {:30} |"
    print(row.format(*heading))
    print(row.format(*("-" * width for width in (7, 33, 14, 30))))
    found: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for number in range(options.passes + 1):
        for name in LAYERS:
            layer = channel_layers[name]
            settings.CHANNEL_LAYERS["default"] = settings.CHANNEL_LAYERS[name]
            channel_layers.backends["default"] = layer
            for way, work in ways(layer, options.messages).items():
                client.flushall()
                if name == "core":
                    layer.capacity = 10**9
                    client.zadd(layer._group_key("g"), {"specific.member!1": time.time()})
                one = measure(work, options.messages, client)
                # The first pass opens what stays open.
                if number:
                    found.setdefault((name, way), []).append(one)
        time.sleep(options.pause)
    for (name, way), each in found.items():
        connections = each[-1][1] * 1000 // options.messages
        print(row.format(name, way, f"{min(one for one, _ in each):.2f}", f"{connections:,}"))


if __name__ == "__main__":
    main()
