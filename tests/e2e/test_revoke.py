"""Users, tokens and sockets that are disconnected everywhere at once, and connections that end with their token."""

import asyncio
import json
import time

import pytest
import redis.asyncio as redis
import stack
from django.conf import settings
from django.core.cache.backends.redis import RedisCache
from rig.client import Client, refusal, until
from rig.demo import access_claims, mint, mint_person
from rig.http import Http
from rig.proxy import Proxy
from rig.shop import stranger
from rig.system import API_KEY

if not settings.configured:
    settings.configure()

CHANNEL = "channelgate:control:disconnect"

#: Plain sockets and Socket.IO for whoever has an access token; each tells when a client has gone.
CONFIG = """
[auth.ws_token]
recheck = "200ms"

[[consumer]]
name = "plain"
path = "/ws/mine/"
auth = ["jwt"]
groups = ["user_{{ user.id }}"]
[consumer.on_event.notice]
send = "{'notice': event.text}"
[consumer.on_message.whoami]
reply = "{'id': id, 'user': user, 'role': claims.role | default('none')}"
[consumer.on_message.refresh]
refresh = "message.token"
denied = "{'type': 'denied'}"
failed = "{'type': 'failed'}"
reply = "{'type': 'refreshed', 'role': user.role, 'claim': claims.role}"
[consumer.on_disconnect]
publish = { group = "lobby", event = "{'type': 'left', 'user': user.id}" }

[[consumer]]
name = "ending"
path = "/ws/ending/"
auth = ["jwt"]
at_expiry = "close"
groups = ["user_{{ user.id }}"]
[consumer.on_message.refresh]
refresh = "message.token"
denied = "{'type': 'denied'}"
reply = "{'type': 'refreshed'}"

[[consumer]]
name = "lobby"
path = "/ws/lobby/"
groups = ["lobby"]
[consumer.on_event.left]
send = "event.user"

[[consumer]]
name = "noted"
path = "/ws/noted/"
auth = ["ws_token"]
groups = ["user_{{ user.id }}"]

[[consumer]]
name = "rooms"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
groups = ["user_{{ user.id }}"]
[consumer.on_message.refresh]
refresh = "args[0]"
denied = { event = "denied", data = "none" }
ack = "user.role"
[consumer.on_event.notice]
emit = { event = "notice", data = "event.text" }

[[consumer]]
name = "other"
namespace = "/other"
protocol = "socket.io"
path = "/socket.io/"
auth = ["anonymous"]

[[consumer]]
name = "brief"
namespace = "/brief"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
at_expiry = "close"
[consumer.on_message.refresh]
refresh = "args[0]"
denied = { event = "denied", data = "none" }
ack = "'ok'"
"""


@pytest.fixture
def one(system):
    system.start_node(config=CONFIG)
    return system


@pytest.fixture
def three(system):
    for _ in range(3):
        system.start_node(wait=False, config=CONFIG)
    system.wait()
    return system


def token_for(user, lifetime: float = 300, **claims) -> str:
    base = {**access_claims(user), "user_id": str(user), "role": "user", "exp": int(time.time() + lifetime)}
    return mint(**{**base, **claims})


def plain(port: int, token: str, path: str = "/ws/mine/"):
    return Client.open(port, f"{path}?token={token}")


async def disconnect(port: int, body, status: int = 200, token: str | None = API_KEY) -> dict:
    """An order by the admin API."""
    reply = await Http(port).post("/api/websocket/disconnect", data=body, token=token)
    assert reply.status == status, reply
    answer = reply.json()
    assert answer["status"] == ("success" if status == 200 else "error") and answer["message"]
    return answer


async def publish(system, body) -> int:
    """An order in Redis; how many nodes heard it."""
    connection = redis.Redis.from_url(system.redis_url)
    try:
        return await connection.publish(CHANNEL, body if isinstance(body, bytes) else json.dumps(body))
    finally:
        await connection.aclose()


async def is_served(port: int, client: Client) -> bool:
    """Whether the node still answers this client."""
    before = len(client.frames)
    await client.send({"type": "whoami"})
    await client.wait(lambda client: len(client.frames) > before or client.closed, "an answer")
    return client.closed is None


@pytest.mark.parametrize("user", [7, "7"])
async def test_a_user_is_disconnected_from_every_node_whatever_the_client_speaks(three, driver, user):
    from rig.sio import KINDS, Sockets

    token, other = token_for(7), token_for(70)
    tabs = [await plain(node.port, token) for node in three.nodes for _ in range(2)]
    stays = [await plain(node.port, other) for node in three.nodes]
    sockets = Sockets(driver, "js-websocket")
    clients = []
    for node in three.nodes:
        for kind in KINDS:
            clients.append(await (await sockets.start(node.port, token, kind=kind)).opened())
    kept = [await (await sockets.start(node.port, other, kind="js-polling")).opened() for node in three.nodes]
    answer = await disconnect(three.nodes[1].port, {"user": user, "reason": "logged out"})
    assert answer["silent"] == [] and answer["data"] == {"sockets": len(tabs) + len(clients)}
    for tab in tabs:
        assert await tab.gone() == (4403, "logged out")
    for client in clients:
        await client.wait(lambda client=client: client.disconnects, "the end")
        # Told by the server, a client does not come back by itself.
        assert client.disconnects[0] in ("io server disconnect", "server disconnect"), (client.transports, type(client), client.disconnects)
    for client in stays:
        assert await is_served(three.nodes[0].port, client)
        await client.close()
    async with three.publisher() as layer:
        await layer.group_send("user_70", {"type": "notice", "text": "still here"})
    for client in kept:
        assert await client.data("notice") == "still here"
    assert all(len(client.ids) == 1 for client in clients)
    assert sum(three.metric(node, "channelgate_closes_total", reason="kicked") for node in three.nodes) == len(
        tabs
    ) + len(clients)
    await sockets.close_all()


async def test_an_order_in_redis_is_heard_by_every_node(three):
    tabs = [await plain(node.port, token_for(7)) for node in three.nodes for _ in range(2)]
    lobby = await Client.open(three.nodes[0].port, "/ws/lobby/")
    assert await publish(three, {"user": 7, "code": 4000, "reason": "gé"}) == 3
    for tab in tabs:
        assert await tab.gone() == (4000, "gé")
    # on_disconnect runs as for every end.
    assert await lobby.count(6) == [7] * 6
    # The user may come back.
    again = await plain(three.nodes[0].port, token_for(7))
    assert await is_served(three.nodes[0].port, again)
    await again.close()
    await lobby.close()
