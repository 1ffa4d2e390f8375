"""Users whom Django names at the end of a call: the same limits, index and deadlines as those of tokens."""

import contextlib
import time

import jwt
import pytest
import stack
import websockets
from rig.client import Client, until
from rig.corpus.target import Target, make_database
from rig.http import Http
from rig.system import API_KEY

CONFIG = """
[[consumer]]
name = "identity"
path = "/ws/identity/<path:rest>"
django = true
at_expiry = "close"
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The corpus behind two nodes, where each user may have two connections."""
    directory = tmp_path_factory.mktemp("users")
    target = Target("users", directory / "target", "core", make_database(directory)).serve("daphne", bridge=True)
    target.system.backend = "http"
    try:
        for _ in range(2):
            limit = {"CHANNELGATE__LIMITS__CONNECTIONS_PER_USER": "2", "CHANNELGATE__AUTH__JWT__LEEWAY": "0s"}
            target.system.start_node(wait=False, config=CONFIG, **limit)
        yield target.wait()
    finally:
        target.stop()


async def open_as(world: Target, who: str, node: int = 0) -> Client:
    headers = {"Cookie": f"sessionid={world.people[who]['session']}"}
    return await Client.open(world.ports[node], "/ws/identity/session/", additional_headers=headers)


def counted(world: Target, name: str, **labels: str) -> float:
    return sum(world.system.metric(node, name, **labels) for node in world.system.nodes)


async def test_a_user_has_so_many_connections_over_all_nodes(world):
    clients = [await open_as(world, "ben", node) for node in (0, 1)]
    for client in clients:
        await client.count(1)
    third = await open_as(world, "ben")
    assert await third.gone() == (1013, "too many connections of this user")
    assert counted(world, "channelgate_closes_total", reason="user_limit") == 1
    # Another user has room, and so has this one, once a connection has ended.
    other = await open_as(world, "carl")
    assert (await other.count(1))[0]["name"] == "carl"
    await clients[0].close()

    async def has_room() -> bool:
        client = await open_as(world, "ben")
        # Its connect says something before the node knows who it is.
        with contextlib.suppress(websockets.ConnectionClosed):
            await client.send({})
        await client.wait(lambda one: len(one.frames) > 1 or one.closed, "an answer, or the end")
        stays = client.closed is None
        await client.close()
        return stays

    await until(has_room, "room for another connection")
    for client in (clients[1], other):
        await client.close()


async def test_a_user_is_disconnected_on_every_node_by_its_id(world):
    clients = [await open_as(world, "dora", node) for node in (0, 1)]
    other = await open_as(world, "eva", 1)
    for client in (*clients, other):
        await client.count(1)
    order = {"user": world.people["dora"]["id"]}
    reply = await Http(world.ports[0]).post("/api/websocket/disconnect", data=order, token=API_KEY)
    assert reply.status == 200, reply.body
    assert {(await client.gone())[0] for client in clients} == {4403}
    await other.send({})
    assert (await other.count(2))[1]["name"] == "eva"
    await other.close()


async def test_a_connection_ends_with_the_login_that_django_has_seen(world):
    now = int(time.time())
    claims = {
        "token_type": "access",
        "jti": "1",
        "user_id": str(world.people["sam"]["id"]),
        "iat": now,
        "exp": now + 12,
    }
    token = jwt.encode(claims, stack.SECRET_KEY, "HS256")
    client = await Client.open(world.ports[0], f"/ws/identity/jwt/?token={token}")
    assert (await client.count(1))[0]["name"] == "sam"
    assert await client.gone() == (4401, "token expired")
    assert time.time() >= now + 12
