"""Whether Django and the node hear each other: through the project's own layer, and past every client.

From Django to the node: the connections of a node have channels that begin with a name of the node, which its
subscriptions in Redis show. A message to the channel of a connection that does not exist reaches the node and no
client, and `/api/tail` says that it came. From the node to Django: the node publishes to a group of which only this
process is a member.
"""

import asyncio
import contextlib
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

from channelgate.conf import conf
from channelgate.doctor import redis, sends, web
from channelgate.doctor.context import Context
from channelgate.doctor.layer import known
from channelgate.doctor.result import Result, fail, ok
from channelgate.doctor.watching import Watcher

#: Seconds for a message to arrive.
PATIENCE = 2.0
#: Nodes that are tried; a message to each is small, and the one at CHANNELGATE["URL"] is among them.
MOST = 64
_DIRECT = re.compile(r"direct:([0-9a-f]{32})$")
DEAF = "The node is ready but did not hear a group_send: other Redis, prefix, keys or database"


def same_redis(context: Context) -> Iterator[Result]:
    """One message each way."""
    nodes = nodes_there()
    cure = (
        f"Django writes to {known().label}: compare with `channelgate print-config`, "
        "or start the node with python manage.py channelgate run."
    )
    if not nodes:
        yield fail(DEAF, f"No node is subscribed there. {cure}")
        return
    if not sends.run(lambda: _to_node(context, nodes)):
        yield fail(DEAF, cure)
        return
    if not sends.run(lambda: _from_node(context)):
        yield fail(DEAF, f"It heard a message to a channel, but what it publishes does not reach Django. {cure}")
        return
    yield ok("The node reads the same Redis (probe seen)")


def nodes_there() -> list[str]:
    """The names of the nodes that listen at the layer's Redis."""
    prefix = conf().prefix
    found: dict[str, None] = {}
    for host in known().hosts:
        with redis.client(host) as client:
            channels = client.pubsub_channels(f"{_literal(prefix)}direct:*")
        for channel in channels:
            match = _DIRECT.search(channel.decode() if isinstance(channel, bytes) else str(channel))
            if match is not None:
                found[match[1]] = None
    return list(found)[:MOST]


def channels_of(connection: str, nodes: list[str]) -> list[str]:
    """The channel of a connection, on whichever of the nodes it is."""
    return [f"specific.{node}r!c.{connection}" for node in nodes]


def _literal(text: str) -> str:
    """Text as a pattern of Redis that matches only itself."""
    return re.sub(r"([*?\[\]\\^])", r"\\\1", text)


async def _to_node(context: Context, nodes: list[str]) -> bool:
    """Whether a message to a channel of the node is seen there."""
    connection = f"doctor{secrets.token_hex(8)}"
    channels = channels_of(connection, nodes)
    message = {"type": sends.TYPE, "id": connection}
    with Watcher(context, f"connection={connection}", lambda line: connection in line.get("groups", ())) as watcher:
        async with sends.layer() as layer:
            try:
                await send_to_channels(layer, channels, message)
                return await asyncio.to_thread(watcher.saw, PATIENCE)
            finally:
                if not watcher.has_seen:
                    await _take_back(layer, channels, connection)


async def send_to_channels(layer: Any, channels: list[str], message: dict[str, Any]) -> None:
    """A `group_send` to a group of which only these channels are members."""
    if known().kind == "pubsub":
        # Here a group is a subscription of a process, so only the channel itself can be written to.
        for channel in channels:
            await layer.send(channel, message)
        return
    group = sends.name()
    for channel in channels:
        await layer.group_add(group, channel)
    try:
        await layer.group_send(group, message)
    finally:
        for channel in channels:
            await layer.group_discard(group, channel)


async def _take_back(layer: Any, channels: list[str], connection: str) -> None:
    """Removes messages that no node has read: they would wait for a minute."""
    if known().kind != "core":
        return
    for channel in channels:
        key = layer.prefix + channel.partition("!")[0] + "!"
        server = layer.connection(layer.consistent_hash(channel.partition("!")[0] + "!"))
        for member in await server.zrange(key, 0, -1):
            with contextlib.suppress(Exception):
                if layer.deserialize(member).get("id") == connection:
                    await server.zrem(key, member)


async def _from_node(context: Context) -> bool:
    """Whether what the node publishes reaches a member of the group in this process."""
    group = sends.name()
    body = json.dumps({"group": group, "event": {"type": sends.TYPE, "id": group}}).encode()
    headers = {"Authorization": f"Bearer {context.api_key}", "Content-Type": "application/json"}
    async with sends.layer() as layer, sends.membership(layer, group) as channel:
        receiving = asyncio.ensure_future(sends.received(layer, channel, PATIENCE))
        answer = await asyncio.to_thread(
            lambda: web.ask(context.node, "/api/publish", method="POST", headers=headers, body=body)
        )
        found = await receiving
    return answer.status == 200 and isinstance(found, dict) and found.get("id") == group
