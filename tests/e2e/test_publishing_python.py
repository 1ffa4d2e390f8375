"""`publish()` and `disconnect()` of the package: real nodes pass events on, once and in order, and end connections."""

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import sys
import textwrap

import pytest
import stack
from django.conf import settings
from django.test.utils import override_settings
from rig.client import Client, refusal, until
from rig.demo import mint_access
from rig.sio import PySocket
from rig.system import API_KEY, LAYERS, System

if not settings.configured:
    settings.configure()

from channelgate import (
    adisconnect,
    apublish,
    apublish_many,
    ato_user,
    disconnect,
    publish,
    publish_many,
    to_user,
)
from channelgate.publishing import background
from channelgate.tokens import revoke_ws_token, ws_token

CONFIG = """
[auth.ws_token]
recheck = "200ms"

[[consumer]]
path = "/ws/orders/"
auth = ["jwt"]
groups = ["orders", "user_{{ user.id }}"]
[consumer.on_event."order.status"]
send = "event.status"
[consumer.on_message.whoami]
reply = "{'id': id}"

[[consumer]]
path = "/ws/noted/"
auth = ["ws_token"]
[consumer.on_message.whoami]
reply = "{'user': user.id, 'name': user.name | default('none')}"

[[consumer]]
name = "rooms"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
groups = ["orders"]
[consumer.on_event."order.status"]
emit = { event = "status", data = "event.status" }
"""
FIRST, SECOND, OTHER = 7, "auth0|1", 9


@pytest.fixture(scope="module", params=["core", "pubsub-encrypted"])
def two(request, tmp_path_factory):
    """Two nodes, and Python with the settings of a project."""
    layer = LAYERS[request.param]
    system = System(tmp_path_factory.mktemp("publishing"), layer)
    try:
        for _ in range(2):
            system.start_node(wait=False, config=CONFIG)
        system.wait()
        kind = {"core": "core.RedisChannelLayer", "pubsub": "pubsub.RedisPubSubChannelLayer"}[layer.kind]
        config = {
            "hosts": [system.redis_url],
            "prefix": layer.prefix,
            "serializer_format": layer.serializer,
            "symmetric_encryption_keys": list(layer.keys) or None,
        }
        cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": system.redis_url}
        with override_settings(
            CHANNEL_LAYERS={"default": {"BACKEND": f"channels_redis.{kind}", "CONFIG": config}},
            CACHES={"default": cache},
            CHANNELGATE={
                "URL": f"http://{stack.LOOPBACK}:{system.nodes[0].port}",
                "API_KEY": API_KEY,
                "PUBLISH": {"ON_ERROR": "raise", "TIMEOUT": 20},
            },
        ):
            yield system
        background.close()
    finally:
        system.stop()


def opened(node: stack.Part, user, path: str = "/ws/orders/", **claims):
    return Client.open(node.port, f"{path}?token={mint_access(user, **claims)}")


def status(value) -> dict:
    return {"type": "order.status", "status": value}


async def test_every_way_reaches_every_node_once_and_in_order(two):
    clients = [await opened(node, user) for node in two.nodes for user in (FIRST, SECOND)]
    sio = PySocket()
    await sio.open(
        f"http://{stack.LOOPBACK}:{two.nodes[1].port}", "/", {"token": mint_access(OTHER)}, ["websocket"], {}, {}
    )
    await sio.opened()
    expected = []
    for via in (None, "layer", "redis", "http"):
        await asyncio.to_thread(publish, "orders", status(f"{via} sync"), via=via)
        await apublish("orders", status(f"{via} async"), via=via)
        batch = [f"{via} {number}" for number in range(20)]
        await asyncio.to_thread(publish_many, [("orders", status(name)) for name in batch[:10]], via=via)
        await apublish_many([("orders", status(name)) for name in batch[10:]], via=via)
        expected += [f"{via} sync", f"{via} async", *batch]
        # Two ways to a node have no order between them.
        for client in clients:
            await client.count(len(expected))
        await sio.args("status", len(expected))
    for client in clients:
        assert await client.count(len(expected)) == expected
    assert sio.all("status") == [[one] for one in expected]
    await sio.close()
    for client in clients:
        await client.close()


async def test_to_a_user_reaches_each_of_its_connections_and_no_other(two):
    clients = [await opened(node, SECOND) for node in two.nodes]
    other = await opened(two.nodes[0], OTHER)
    await asyncio.to_thread(to_user, SECOND, status("one"))
    await ato_user(SECOND, status("two"))
    for client in clients:
        assert await client.count(2) == ["one", "two"]
    await ato_user(OTHER, status("mine"))
    assert await other.count(1) == ["mine"]
    for client in (*clients, other):
        await client.close()


async def whoami(client: Client) -> dict:
    await client.send({"type": "whoami"})
    return json.loads(await client.wait(lambda one: next(iter(one.frames), None), "the answer"))


async def is_refused(node: stack.Part, token: str) -> None:
    """Waits until a node refuses a token: each node carries an order out when it comes to it."""

    async def is_so() -> bool:
        return await refusal(node.port, f"/ws/orders/?token={token}") == 403

    await until(is_so, "the token to be refused")


async def test_disconnect_ends_what_it_names_on_every_node(two):
    stays = await opened(two.nodes[0], OTHER)
    by_user = [await opened(node, FIRST) for node in two.nodes]
    assert await asyncio.to_thread(disconnect, FIRST, reason="deactivated") == 2
    for client in by_user:
        assert await client.gone() == (4403, "deactivated")
    again = await opened(two.nodes[0], FIRST)
    assert await adisconnect(user=FIRST, reconnect=True) == 2
    assert await again.gone() == (1012, "")

    token = mint_access(SECOND, jti=f"by-token-{id(two)}")
    by_token = await Client.open(two.nodes[1].port, f"/ws/orders/?token={token}")
    assert await adisconnect(token=f"Bearer {token}", code=4010) == 2
    assert await by_token.gone() == (4010, "")
    await is_refused(two.nodes[0], token)

    jti = f"by-jti-{id(two)}"
    token = mint_access(SECOND, jti=jti)
    by_jti = [await Client.open(node.port, f"/ws/orders/?token={token}") for node in two.nodes]
    assert await asyncio.to_thread(disconnect, jti=jti, reason="revoked") == 2
    for client in by_jti:
        assert await client.gone() == (4403, "revoked")
    await is_refused(two.nodes[1], token)

    one, neighbour = [await opened(two.nodes[1], SECOND) for _ in range(2)]
    assert await adisconnect(socket=(await whoami(one))["id"]) == 2
    assert await one.gone() == (4403, "")
    assert (await whoami(neighbour))["id"] and (await whoami(stays))["id"]
    await neighbour.close()
    await stays.close()


async def test_without_a_redis_of_the_nodes_both_go_over_http(two):
    clients = [await opened(node, FIRST) for node in two.nodes]
    token = mint_access(SECOND, jti=f"http-{id(two)}")
    other = await Client.open(two.nodes[1].port, f"/ws/orders/?token={token}")
    with override_settings(CHANNEL_LAYERS={}):
        await apublish("orders", status("by http"))
        for client in (*clients, other):
            assert await client.count(1) == ["by http"]
        assert await adisconnect(FIRST, reason="over") == 1
        assert await adisconnect(jti=f"http-{id(two)}") == 1
    for client in clients:
        assert await client.gone() == (4403, "over")
    assert await other.gone() == (4403, "")
    await is_refused(two.nodes[0], token)


@pytest.fixture
def secret_key():
    """Settings that are made in a test have none, and reading that is an error."""
    settings.SECRET_KEY = stack.SECRET_KEY
    yield
    del settings.SECRET_KEY


async def test_a_ws_token_opens_a_connection_and_its_end_ends_it(two, secret_key):
    for form, user in (("opaque", {"id": 7, "name": "Anna"}), ("jwt", 7)):
        with override_settings(CHANNELGATE={"WS_TOKEN": {"FORM": form}}):
            token = await asyncio.to_thread(ws_token, user)
            client = await Client.open(two.nodes[1].port, f"/ws/noted/?token={token}")
            name = "Anna" if form == "opaque" else "none"
            assert await whoami(client) == {"user": 7, "name": name}
            assert await asyncio.to_thread(revoke_ws_token, token)
            assert await client.gone() == (4403, "token revoked")
            assert await refusal(two.nodes[0].port, f"/ws/noted/?token={token}") == 403


#: Code of a project with the demo's settings; `tom` is one of its people.
PROJECT = """
    import django
    django.setup()
    from channelgate import disconnects, publish
    from django.contrib.auth.models import User
    from django.db import transaction

    @disconnects(User, when=lambda user: not user.is_active, reason="deactivated")
    def of(user):
        return user

    tom = User.objects.get(username="tom")
    try:
        with transaction.atomic():
            tom.is_active = False
            tom.save()
            publish("orders", {"type": "order.status", "status": "never"})
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    with transaction.atomic():
        publish("orders", {"type": "order.status", "status": "after the commit"})
        publish("orders", {"type": "order.status", "status": "now"}, on_commit=False)
    tom.save()
    print(tom.pk)
"""


async def test_a_project_publishes_after_its_commit_and_its_models_end_connections(two, database):
    own = two.directory / "project.sqlite3"
    shutil.copy(database, own)
    with contextlib.closing(sqlite3.connect(own)) as connection:
        ((tom,),) = connection.execute("SELECT id FROM auth_user WHERE username = 'tom'")
    mine = [await opened(node, tom) for node in two.nodes]
    other = await opened(two.nodes[0], OTHER)
    env = stack.django_env(two.directory, two.redis_url, **{**two.layer.django(), "DATABASE": str(own)})
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent(PROJECT),
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0 and out.split() == [str(tom).encode()], errors.decode()
    for client in mine:
        assert await client.gone() == (4403, "deactivated")
        # The order takes another way than the events, and may come before those that were published just then.
        assert client.frames == ['"now"', '"after the commit"'][: len(client.frames)]
    assert await other.count(2) == ["now", "after the commit"]
    await other.close()
