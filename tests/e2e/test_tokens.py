"""Tokens as Django's cache stores them, and the sources from which a client may send them."""

import os
import pickle
import time

import jwt
import pytest
import redis.asyncio as redis
import stack
from django.conf import settings
from django.core.cache.backends.redis import RedisCache
from rig.client import Client, refusal, until
from rig.http import Http

if not settings.configured:
    settings.configure()

SUBJECT = "7"


def access_token(key: str = stack.SECRET_KEY, **claims) -> str:
    now = int(time.time())
    base = {"token_type": "access", "exp": now + 300, "iat": now, "jti": "0" * 32, "user_id": SUBJECT}
    return jwt.encode({**base, **claims}, key, algorithm="HS256")


def ws_token(key: str = stack.SECRET_KEY, **claims) -> str:
    return jwt.encode(
        {"user_id": 7, "type": "ws_token", "exp": int(time.time()) + 300, **claims}, key, algorithm="HS256"
    )


@pytest.fixture
def cache(system):
    """Django's own cache backend, on the test's Redis."""
    return RedisCache(system.redis_url, {})


async def notified(system, client, user: str = SUBJECT) -> bool:
    """Whether the socket is in the user's group."""
    await client.send({"type": "subscribe", "notification_types": ["offer"]})
    async with system.publisher() as publisher:
        for _ in range(100):
            event = {"type": "send_notification", "notification_type": "offer", "message": "m", "data": {}}
            await publisher.group_send(f"user_{user}", event)
            try:
                await client.wait(lambda client: client.frames, "a notification", 0.1)
            except AssertionError:
                continue
            return client.json()[0] == {"type": "notification", "message": "m", "data": {}}
    return False


async def test_opaque_tokens_of_every_shape_are_read_from_the_cache(system, cache):
    node = system.start_node()
    values = {
        "number": 7,
        "text": "7",
        "dict": {"user_id": 7},
        "other key": {"user_pk": "7", "user_type": "staff", "since": 1.5, "more": [1, None, {"a": b"b"}]},
    }
    for name, value in values.items():
        cache.set(f"ws_token_{name.replace(' ', '-')}", value, timeout=60)
        client = await Client.open(node.port, f"/ws/notifications/?token={name.replace(' ', '-')}")
        assert await notified(system, client), name
        await client.close()
    cache.delete("ws_token_number")
    assert await refusal(node.port, "/ws/notifications/?token=number") == 403


async def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(system, tmp_path):
    node = system.start_node()
    connection = redis.Redis.from_url(system.redis_url)
    proof = tmp_path / "proof"

    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {proof}",)

    hostile = [
        pickle.dumps(Hostile()),
        pickle.dumps({"user_id": Hostile()}),
        pickle.dumps(7)[:-1],
        b"\x80\x05" + b"(" * 100_000 + b".",
        b"\x80\x05]" + b"2" * 100_000 + b".",
        b"",
        b"\x80",
        b"\x78\x9c" + os.urandom(50),
        b"\x28\xb5\x2f\xfd" + os.urandom(50),
        b"\xfd7zXZ\x00" + os.urandom(50),
        pickle.dumps(None),
        pickle.dumps({}),
        pickle.dumps([7]),
        pickle.dumps(True),
    ]
    for number, value in enumerate(hostile):
        await connection.set(f":1:ws_token_hostile{number}", value, ex=60)
        assert await refusal(node.port, f"/ws/notifications/?token=hostile{number}") == 403, value[:40]
    assert not proof.exists()
    await connection.aclose()


async def test_a_single_use_token_opens_one_socket(system, cache):
    node = system.start_node(CHANNELGATE__AUTH__WS_TOKEN__SINGLE_USE="true")
    cache.set("ws_token_once", 7, timeout=60)
    client = await Client.open(node.port, "/ws/notifications/?token=once")
    assert cache.get("ws_token_once") is None
    assert await refusal(node.port, "/ws/notifications/?token=once") == 403
    token = ws_token()
    cache.set("ws_token_7", token, timeout=60)
    second = await Client.open(node.port, f"/ws/notifications/?token={token}")
    assert await refusal(node.port, f"/ws/notifications/?token={token}") == 403
    await client.close()
    await second.close()


async def test_a_token_may_come_in_a_header_or_a_subprotocol(system, cache):
    node = system.start_node()
    token = ws_token()
    cache.set("ws_token_7", token, timeout=60)
    client = await Client.open(node.port, "/ws/notifications/", additional_headers={"Authorization": f"Bearer {token}"})
    assert await notified(system, client)
    await client.close()
    for offered in (["access_token", token], [token]):
        client = await Client.open(node.port, "/ws/notifications/", subprotocols=offered)
        # A browser drops the connection unless one of its offers comes back.
        assert client.connection.subprotocol == offered[0]
        assert await notified(system, client)
        await client.close()
    assert await refusal(node.port, "/ws/notifications/", subprotocols=["access_token", "noise"]) == 403


async def test_the_key_prefix_and_version_of_the_cache_are_followed(system):
    node = system.start_node(CHANNELGATE_CACHE_PREFIX="shop:3:")
    cache = RedisCache(system.redis_url, {"KEY_PREFIX": "shop", "VERSION": 3})
    cache.set("ws_token_there", 7, timeout=60)
    RedisCache(system.redis_url, {}).set("ws_token_elsewhere", 7, timeout=60)
    client = await Client.open(node.port, "/ws/notifications/?token=there")
    await client.close()
    assert await refusal(node.port, "/ws/notifications/?token=elsewhere") == 403


async def test_an_issued_token_is_readable_from_djangos_cache(system, cache):
    node = system.start_node()
    reply = await Http(node.port).get("/api/user/ws-token/", token=access_token())
    assert reply.status == 200
    token = reply.json()["ws_token"]
    assert cache.get("ws_token_7") == token
    connection = redis.Redis.from_url(system.redis_url)
    assert 1700 < await connection.ttl(":1:ws_token_7") <= 1800
    assert jwt.decode(token, stack.SECRET_KEY, algorithms=["HS256"])["type"] == "ws_token"
    assert reply.headers.get("cache-control") == "no-store"
    for path in ("/api/user/ws-token", "/api/user/ws-token/"):
        assert (await Http(node.port).post(path, token=access_token())).status in (404, 405)
    await connection.aclose()


async def test_the_old_key_is_valid_during_a_rotation(system, cache):
    node = system.start_node(CHANNELGATE__AUTH__SECRET_KEY_FALLBACKS='["an older key, also long enough for HS256"]')
    old = "an older key, also long enough for HS256"
    reply = await Http(node.port).get("/api/user/ws-token/", token=access_token(old))
    assert reply.status == 200
    # New tokens are signed with the new key.
    assert jwt.decode(reply.json()["ws_token"], stack.SECRET_KEY, algorithms=["HS256"])
    cache.set("ws_token_7", ws_token(old), timeout=60)
    client = await Client.open(node.port, f"/ws/notifications/?token={cache.get('ws_token_7')}")
    await client.close()


async def test_without_a_secret_key_the_routes_that_need_one_report_it(system):
    node = system.start_node(DJANGO_SECRET_KEY="")
    reply = await Http(node.port).get("/api/user/ws-token/", token=access_token())
    assert reply.status == 503 and "DJANGO_SECRET_KEY" in reply.json()["detail"]
    client = await Client.open(node.port, "/ws/")
    await client.close()


CLAIMS = """
[[consumer]]
path = "/ws/mine/"
auth = ["jwt"]
groups = ["user_{{ user.id }}", "role_{{ claims.role }}"]
[consumer.on_event."*"]
send = "event"
"""


async def test_access_tokens_open_consumers_that_ask_for_them(system):
    node = system.start_node(config=CLAIMS)
    client = await Client.open(node.port, f"/ws/mine/?token={access_token(role='chef')}")
    async with system.publisher() as publisher:
        await publisher.group_send("user_7", {"type": "x", "n": 1})
        assert await client.count(1) == [{"type": "x", "n": 1}]
        await publisher.group_send("role_chef", {"type": "x", "n": 2})
        assert (await client.count(2))[1] == {"type": "x", "n": 2}
    await client.close()
    refused = {
        "missing": "",
        "refresh": f"?token={access_token(role='chef', token_type='refresh')}",
        "expired": f"?token={access_token(role='chef', exp=int(time.time()) - 1)}",
        "another key": f"?token={access_token('another key of a good length for HS256', role='chef')}",
        # A group with an undefined part is never joined: clients never share `role_None`.
        "no role": f"?token={access_token()}",
        "an empty role": f"?token={access_token(role='')}",
        "a role that is too long": f"?token={access_token(role='a' * 95)}",
    }
    for what, query in refused.items():
        assert await refusal(node.port, f"/ws/mine/{query}") == 403, what


async def test_no_token_is_in_any_log(system, cache, database):
    system.start_django(database)
    nodes = [system.start_node(wait=False, RUST_LOG="trace") for _ in range(2)]
    system.wait()
    nginx = system.start_nginx()
    token, access = ws_token(), access_token()
    cache.set("ws_token_7", token, timeout=60)
    origin = {"origin": f"http://127.0.0.1:{nginx.port}"}
    path = f"/ws/notifications/?token={token}"
    client = await Client.open(nginx.port, path, **origin, additional_headers={"Referer": f"http://x{path}"})
    assert await refusal(nginx.port, f"/ws/notifications/?token={access}", **origin) == 403
    assert await refusal(nginx.port, "/ws/notifications/", subprotocols=["access_token", access], **origin) == 403
    assert (await Http(nginx.port).get("/api/user/ws-token/", token=access)).status == 200
    issued = cache.get("ws_token_7")
    for node in nodes:
        node.kill()
    await client.gone()
    # Without any node nginx logs most.
    assert await refusal(nginx.port, path, **origin) == 502
    signatures = [secret.rsplit(".", 1)[1] for secret in (token, access, issued)]
    logs = [file for file in system.directory.rglob("*.log") if "django" not in file.name and "redis" not in file.name]
    assert any("GET /ws/notifications/ HTTP" in file.read_text() for file in logs if file.name == "access.log")
    for file in logs:
        text = file.read_text(errors="replace")
        assert not [secret for secret in (*signatures, stack.SECRET_KEY) if secret in text], file


TOLD = """
[[consumer]]
path = "/ws/told/"
auth = ["ws_token"]
reject = { close = 4401, reason = "log in again", send = "{'type': 'error', 'message': 'log in again'}" }

[[consumer]]
path = "/ws/all/"
auth = ["ws_token"]
groups = ["user_{{ user.id }}"]
topics = { before_subscribe = "all" }
[consumer.on_event."*"]
topic = "event.type"
send = "{'type': event.type}"
[consumer.on_message.subscribe]
subscribe = "message.types"
[consumer.on_message.unsubscribe]
unsubscribe = "message.types"
"""


async def test_a_refusal_can_be_sent_so_that_a_browser_can_read_it(system):
    node = system.start_node(config=TOLD)
    client = await Client.open(node.port, "/ws/told/?token=noise")
    assert await client.gone() == (4401, "log in again")
    assert client.json() == [{"type": "error", "message": "log in again"}]


async def test_everything_can_be_delivered_before_the_first_subscribe(system, cache):
    node = system.start_node(config=TOLD)
    cache.set("ws_token_all", 7, timeout=60)
    client = await Client.open(node.port, "/ws/all/?token=all")
    told = []
    async with system.publisher() as publisher:

        async def publish(*types: str) -> None:
            for name in types:
                await publisher.group_send("user_7", {"type": name})

        await publish("offer", "payment")
        told += ["offer", "payment"]
        assert [frame["type"] for frame in await client.count(2)] == told
        await client.send({"type": "subscribe", "types": ["payment", "end"]})
        # The subscription is in effect when an event of another type no longer arrives.
        await until(lambda: _is_silent(publish, client), "the subscribe to hold")
        await client.send({"type": "unsubscribe", "types": ["payment"]})
        before = len(client.frames)
        await until(lambda: _is_silent(publish, client, "payment"), "the unsubscribe to hold")
        assert all(frame["type"] in ("payment", "end") for frame in client.json()[before:])
    await client.close()


async def _is_silent(publish, client, name: str = "offer") -> bool:
    """Whether an event of this type no longer arrives, as shown by the one after it."""
    seen = len(client.frames)
    await publish(name, "end")
    await client.wait(lambda client: {"type": "end"} in client.json()[seen:], "the event behind it")
    return {"type": name} not in client.json()[seen:]
