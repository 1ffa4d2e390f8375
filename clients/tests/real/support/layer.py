"""Sends events through a real layer of channels_redis, as Django does.

Arguments: the Redis URL, and "core" or "pubsub". Each line of standard input is {"group", "event", "times"}; each is
answered by a line: "sent", or what went wrong.
"""

import asyncio
import json
import sys

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis.exceptions import RedisError


async def main() -> None:
    url, kind = sys.argv[1:]
    layer = (
        RedisChannelLayer([url], capacity=100_000)
        if kind == "core"
        else RedisPubSubChannelLayer([url])
    )
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        try:
            for number in range(order["times"]):
                event = (
                    order["event"]
                    if order["times"] == 1
                    else {**order["event"], "number": number}
                )
                await layer.group_send(order["group"], event)
            print("sent", flush=True)
        except (AssertionError, OSError, RedisError, TypeError, ValueError) as error:
            print(f"{type(error).__name__}: {error}", flush=True)


asyncio.run(main())
