"""Statuses and numbers of the manual that no other test holds; tests/documents/statements.toml names these tests."""

import asyncio
import functools
import json
import os
import re
import time

import pytest
import redis
from rig.client import Client, refusal, until
from rig.demo import access_claims, mint, mint_person
from rig.engine import BASE, Polling
from rig.http import Http
from rig.log import whole_log
from rig.raw import Raw
from rig.system import API_KEY
from stack import LOOPBACK, SECRET_KEY

CONFIG = """
[[consumer]]
path = "/ws/"
max_rooms = 10
[consumer.on_message.join]
join = "room_{{ message.name }}"
allow = "room_<int>"
reply = "'joined'"
failed = "'failed'"

[[consumer]]
path = "/token/"
auth = ["jwt"]

[[consumer]]
path = "/socket.io/"
protocol = "socket.io"
"""
#: A body of this many bytes is announced and not sent.
MIB, PAYLOAD = 1 << 20, 1_000_000
#: Longer than a client of these tests may stand still between its connection and its request.
QUICK = {"CHANNELGATE__SERVER__HANDSHAKE_TIMEOUT": "6s", "CHANNELGATE__SERVER__BODY_TIMEOUT": "6s"}
#: A polling session outlives a request that is late, and a group its last client.
LASTING = {"CHANNELGATE__SOCKETIO__POLL_TIMEOUT": "60s", "CHANNELGATE__LAYER__LINGER": "60s"}


@pytest.fixture(scope="module")
def node(module_system):
    return module_system.start_node(config=CONFIG, **QUICK, **LASTING)


def head(method: str, path: str, *lines: str, length: int | None = None) -> bytes:
    """The head of a request, without its body."""
    lines = (*lines, *([] if length is None else [f"Content-Length: {length}"]))
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


ADMIN, KEY = f"Authorization: Bearer {mint_person(1, 'admin').token}", f"Authorization: Bearer {API_KEY}"
#: Each request with the status of its answer. `SID` is the id of a polling session.
ANSWERS = {
    "a path that nothing serves": (head("GET", "/nothing/"), 404),
    "an ordinary request for a consumer's path": (head("GET", "/ws/"), 426),
    "an admin's wrong method": (head("GET", "/api/websocket/emit/7", ADMIN), 405),
    "an admin's large body": (head("POST", "/api/websocket/emit/7", ADMIN, length=MIB + 1), 413),
    "an admin's body that is late": (head("POST", "/api/websocket/emit/7", ADMIN, length=9), 408),
    "a large body of the API": (head("POST", "/api/publish", KEY, length=MIB + 1), 413),
    "a body of the API that is late": (head("POST", "/api/publish", KEY, length=9), 408),
    "a large body of a polling request": (head("POST", f"{BASE}polling&sid=SID", length=PAYLOAD + 1), 413),
    "a head that is late": (b"GET /ws/ HTTP/1.1\r\nHost: x\r\n", 408),
    "a head of 96 headers": (head("GET", "/health/live", *(f"X-{n}: x" for n in range(95))), 200),
    "a head of 97 headers": (head("GET", "/health/live", *(f"X-{n}: x" for n in range(96))), 431),
    "a head of 120 KiB": (head("GET", "/health/live", f"X: {'x' * (120 << 10)}"), 200),
    "a head above 128 KiB": (head("GET", "/health/live", f"X: {'x' * (129 << 10)}"), 431),
}


async def test_each_answer_is_the_one_of_the_manual(node):
    session = await Polling.open(node.port)

    async def answer(data: bytes) -> int:
        raw = await Raw.tcp(node.port)
        await raw.write(data.replace(b"SID", session.sid.encode()))
        status, _ = await raw.head()
        raw.abort()
        return status

    statuses = await asyncio.gather(*(answer(data) for data, _ in ANSWERS.values()))
    assert dict(zip(ANSWERS, statuses, strict=True)) == {what: status for what, (_, status) in ANSWERS.items()}
    # A body that is refused for its size does not end its session.
    await session.join()
    for path, body in {"ready": {"status": "ready"}, "live": {"status": "alive"}}.items():
        reply = await Http(node.port).get(f"/health/{path}")
        assert (reply.status, reply.json()) == (200, body)


async def test_a_polling_body_that_is_late_is_answered_with_400(node):
    session = await Polling.open(node.port)
    raw = await Raw.tcp(node.port)
    await raw.write(head("POST", f"{BASE}polling&sid={session.sid}", length=9) + b"4")
    assert (await raw.head())[0] == 400
    raw.abort()


async def test_a_full_node_refuses_and_a_node_with_all_its_groups_refuses_joins_in_messages(module_system):
    limits = {"CHANNELGATE__SERVER__MAX_CONNECTIONS": "1", "CHANNELGATE__LIMITS__GROUPS": "2"}
    config = CONFIG.replace("max_rooms", 'groups = ["one", "two", "three"]\nmax_rooms')
    node = module_system.start_node(config=config, **limits)
    # The groups of a handshake are not refused.
    client = await Client.open(node.port, "/ws/")
    await client.send(json.dumps({"type": "join", "name": 7}))
    assert await client.count(1) == ["failed"]
    assert module_system.metric(node, "channelgate_refused_messages_total", reason="too_many_groups") == 1
    reply = await Http(node.port).get("/ws/", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert reply.status == 400, "what is no handshake takes no place"
    raw = await Raw.tcp(node.port)
    key = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    await raw.write(head("GET", "/ws/", *key, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
    status, headers = await raw.head()
    assert status == 503 and int(headers["retry-after"]) >= 1
    assert module_system.metric(node, "channelgate_handshakes_total", outcome="full") == 1
    await client.close()


LATEST = """
[[consumer]]
path = "/latest/"
groups = ["prices"]
slow = "latest"
[consumer.on_event.price]
key = "event.symbol"
send = "event"
"""


async def test_the_latest_of_too_many_keys_have_no_room_and_the_client_is_closed(module_system):
    small = {"CHANNELGATE__SOCKET__OUTBOX": "50000", "CHANNELGATE__SOCKET__SEND_BUFFER": "4096"}
    # The grace is also the time that the client has to read its Close.
    node = module_system.start_node(config=LATEST, CHANNELGATE__SERVER__DRAIN_GRACE="60s", **small)
    stalled = await Raw.stalled(node.port, "/latest/")
    async with module_system.publisher() as publisher:
        for number in range(100):
            await publisher.group_send("prices", {"type": "price", "symbol": number, "filler": "x" * 5000})
        closes = lambda: module_system.metric(node, "channelgate_closes_total", reason="slow_client") == 1  # noqa: E731
        await until(closes, "the client to be closed")
    assert await stalled.close_code() == 1013
    stalled.abort()


async def test_events_for_nobody_are_not_counted_as_lost(module_system, node):
    client = await Client.open(node.port, "/ws/")
    await client.send(json.dumps({"type": "join", "name": 1}))
    assert await client.count(1) == ["joined"]
    await client.close()
    events = functools.partial(module_system.metric, node, "channelgate_events_total", source="publish")
    before = events()
    bus = redis.Redis(LOOPBACK, module_system.redis.port)
    # The group lingers, so that its events reach the node.
    for group in ("room_1", "nobody"):
        bus.publish(f"channelgate:{group}", json.dumps({"type": "x"}))
    await until(lambda: events() > before, "the event to reach the node")
    reply = await Http(node.port).get("/metrics")
    assert reply.status == 200, reply
    drops = [line for line in reply.body.decode().splitlines() if line.startswith("channelgate_drops_total{")]
    assert drops and all(line.endswith(" 0") for line in drops), drops


def test_there_is_one_worker_per_core(node):
    assert int(re.search(r"starting (\d+) workers", whole_log(node))[1]) == len(os.sched_getaffinity(0))


@pytest.mark.alone("bounds how long a client waits")
async def test_an_order_that_no_node_hears_is_lost_and_a_node_accepts_no_token_before_it_has_read_them(system):
    orders = redis.Redis(LOOPBACK, system.redis.port)
    token = mint(SECRET_KEY, **{**access_claims(7), "user_id": "7", "jti": "unheard"})
    assert orders.publish("channelgate:control:disconnect", json.dumps({"jti": "unheard"})) == 0
    node = system.start_node(config=CONFIG)
    assert await refusal(node.port, f"/token/?token={token}") == 101
    system.redis.stop()
    late = system.start_node(wait=False, config=CONFIG)

    async def listens() -> bool:
        try:
            return (await Http(late.port).get("/health/live")).status == 200
        except OSError:
            return False

    await until(listens, "the node to listen")
    took = []
    # A machine that stands still for a moment delays one of them.
    while len(took) < 3 and not (took and min(took) < 4):
        begun = time.monotonic()
        assert await refusal(late.port, f"/token/?token={token}") == 503
        took.append(time.monotonic() - begun)
    assert 1.5 < min(took) < 4, took
    reply = await Http(late.port).post("/api/publish", data={"group": "one", "event": {"type": "x"}}, token=API_KEY)
    assert reply.status == 503 and int(reply.headers["retry-after"]) >= 1, reply
