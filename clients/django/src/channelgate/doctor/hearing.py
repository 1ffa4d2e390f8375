"""Whether Django and the node hear each other: through the project's own layer, and past every client.

From Django to the node: the connections of a node have channels that begin with a name of the node, which its
subscriptions in Redis show. A message to the channel of a connection that does not exist reaches the node and nobody
else, and `/api/tail` says that it came. From the node to Django: the node publishes to a group of which only this
process is a member.
"""

import asyncio
import contextlib
import http.client
import json
import re
import secrets
import threading
from collections.abc import Iterator
from typing import Any

from channelgate.conf import conf
from channelgate.doctor import redis, sends, web
from channelgate.doctor.context import Context
from channelgate.doctor.layer import known
from channelgate.doctor.result import Result, fail, ok

#: Seconds for a message to arrive.
PATIENCE = 2.0
#: Nodes that are tried; a message to each is small, and the one at CHANNELGATE["URL"] is among them.
MOST = 64
_DIRECT = re.compile(r"direct:([0-9a-f]{32})$")
DEAF = "The node is ready but did not hear a group_send: other Redis, prefix, keys or database"


def same_redis(context: Context) -> Iterator[Result]:
    """One message each way."""
    nodes = _nodes()
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


def _nodes() -> list[str]:
    """The names of the nodes that listen at the layer's Redis."""
    prefix = getattr(conf(), "prefix", None) or "channelgate:"
    found: dict[str, None] = {}
    for host in known().hosts:
        with redis.client(host) as client:
            channels = client.pubsub_channels(f"{_literal(prefix)}direct:*")
        for channel in channels:
            match = _DIRECT.search(channel.decode() if isinstance(channel, bytes) else str(channel))
            if match is not None:
                found[match[1]] = None
    return list(found)[:MOST]


def _literal(text: str) -> str:
    """Text as a pattern of Redis that matches only itself."""
    return re.sub(r"([*?\[\]\\^])", r"\\\1", text)


async def _to_node(context: Context, nodes: list[str]) -> bool:
    """Whether a message to a channel of the node is seen there."""
    connection = f"doctor{secrets.token_hex(8)}"
    channels = [f"specific.{node}r!c.{connection}" for node in nodes]
    message = {"type": sends.TYPE, "id": connection}
    with _Watcher(context, connection) as watcher:
        async with sends.layer() as layer:
            try:
                if known().kind == "core":
                    await _group_send(layer, channels, message)
                else:
                    # Here a group is a subscription of a process, so only the channel itself can be written to.
                    for channel in channels:
                        await layer.send(channel, message)
                return await asyncio.to_thread(watcher.saw, PATIENCE)
            finally:
                if not watcher.has_seen:
                    await _take_back(layer, channels, connection)


async def _group_send(layer: Any, channels: list[str], message: dict[str, Any]) -> None:
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


class _Watcher:
    """Reads the node's `/api/tail`, in a thread, for what concerns one connection."""

    def __init__(self, context: Context, connection: str):
        self.path = f"/api/tail?connection={connection}"
        self.connection = connection
        self.url = context.node
        self.headers = {"Authorization": f"Bearer {context.api_key}"}
        self.ready, self.seen = threading.Event(), threading.Event()
        self.problem: Exception | None = None
        self.response: Any = None
        self.thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "_Watcher":
        self.thread.start()
        # The first line says that from now on everything is shown.
        self.ready.wait(PATIENCE + web.TIMEOUT)
        if self.problem is not None:
            raise self.problem
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.join(0.1)

    @property
    def has_seen(self) -> bool:
        """Whether the node has got the message."""
        return self.seen.is_set()

    def saw(self, seconds: float) -> bool:
        """Waits for it."""
        return self.seen.wait(seconds)

    def _read(self) -> None:
        try:
            with web.stream(self.url, self.path, self.headers, PATIENCE + 1) as response:
                if response.status != 200:
                    raise web.NoAnswer(f"/api/tail answered {response.status}")
                while line := response.readline():
                    self.ready.set()
                    if self.connection.encode() in line:
                        self.seen.set()
                        return
        except (OSError, http.client.HTTPException, web.NoAnswer) as error:
            if not self.ready.is_set():
                self.problem = error
        finally:
            self.ready.set()
