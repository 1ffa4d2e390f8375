"""The same refused client over plain WebSocket, raw Engine.IO and Socket.IO: status, text, close code, outcome."""

import json

import pytest
from rig.demo import mint_person
from rig.door import connect, knock
from rig.engine import BASE
from rig.http import Http
from rig.raw import CLOSE, TEXT

RULES = {
    "jwt": 'auth = ["jwt"]',
    "denied": 'on_admit = { refuse = "not today" }',
    "groups": 'groups = ["room_{{ query.room }}"]',
}

SPOKEN = """
[[consumer]]
path = "/plain/{name}/"
{rules}

[[consumer]]
path = "/closing/{name}/"
reject = {{ close = 4401, reason = "log in" }}
{rules}

[[consumer]]
protocol = "engine.io"
path = "/raw/{name}/"
{rules}

[[consumer]]
name = "{name}"
protocol = "socket.io"
path = "/socket.io/"
namespace = "/{name}"
reject = {{ missing = "show a token", invalid = "a bad token" }}
{rules}
"""

CONFIG = "".join(SPOKEN.format(name=name, rules=rules) for name, rules in RULES.items())

PERSON = mint_person(7)

# The client's request, its token, and the refusal: plain WebSocket with the counted outcome; the same if the consumer
# closes; raw Engine.IO; Socket.IO.
REFUSED = {
    "no token": (
        ("jwt", None),
        (403, "no credential was given", "missing"),
        (4401, "log in", "missing"),
        (403, {"code": 4, "message": "no credential was given"}, "missing"),
        "show a token",
    ),
    "a bad token": (
        ("jwt", "x.y.z"),
        (403, None, "invalid"),
        (4401, "log in", "invalid"),
        (403, None, "invalid"),
        "a bad token",
    ),
    "on_admit": (
        ("denied", None),
        (403, "not today", "denied"),
        (4401, "log in", "denied"),
        (403, {"code": 4, "message": "not today"}, "denied"),
        "not today",
    ),
    "no group": (
        ("groups", None),
        (403, None, "denied"),
        (4401, "log in", "denied"),
        (403, None, "denied"),
        "Authentication error",
    ),
    "too many of a user": (
        ("jwt", PERSON.token),
        (429, "too many connections of this user", "user_limit"),
        (1013, "too many connections of this user", "user_limit"),
        (
            429,
            {"code": 4, "message": "too many connections of this user", "limit": "connections_per_user"},
            "user_limit",
        ),
        "too many connections of this user",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
async def test_a_client_is_refused_alike_with_every_protocol(system, why):
    (name, token), plain, closing, raw, told = REFUSED[why]
    node = system.start_node(config=CONFIG, CHANNELGATE__LIMITS__CONNECTIONS_PER_USER="1")
    held = await knock(node.port, "/plain/jwt/", token=PERSON.token)
    assert held.status == 101

    def counted(outcome: str) -> float:
        return system.metric(node, "channelgate_handshakes_total", outcome=outcome)

    async def refused(path: str, outcome: str):
        before = counted(outcome)
        answer = await knock(node.port, path, token=token)
        assert counted(outcome) == before + 1, path
        assert ("retry-after" in answer.headers) == (answer.status in (429, 503)), path
        return answer

    status, detail, outcome = plain
    answer = await refused(f"/plain/{name}/", outcome)
    assert answer.status == status and answer.body["detail"] == (detail or answer.body["detail"]), answer.body

    code, reason, outcome = closing
    answer = await refused(f"/closing/{name}/", outcome)
    assert answer.status == 101
    assert await answer.raw.read() == (CLOSE, code.to_bytes(2) + reason.encode())

    status, body, outcome = raw
    answer = await refused(f"/raw/{name}/?EIO=4&transport=websocket", outcome)
    assert (answer.status, answer.body["code"]) == (status, 4)
    assert answer.body == (body or answer.body)

    socket, packet = await connect(node.port, token, f"/{name}")
    assert packet == f"44{json.dumps({'message': told}, separators=(',', ':'))}"
    for one in (held.raw, socket):
        one.abort()


async def test_consumers_that_authenticate_alike_check_a_token_once(system):
    consumer = """
[[consumer]]
name = "{name}"
protocol = "socket.io"
path = "/socket.io/"
auth = ["{method}"]
on_message.{name}.ack = "user.id"
"""
    named = {"first": "ws_token", "other": "jwt", "last": "ws_token"}
    config = "".join(consumer.format(name=name, method=method) for name, method in named.items())
    node = system.start_node(config=config, CHANNELGATE__AUTH__WS_TOKEN__SINGLE_USE="true")
    issued = await Http(node.port).get("/api/user/ws-token/", token=PERSON.token)
    raw, packet = await connect(node.port, issued.json()["ws_token"])
    assert packet.startswith("40{"), packet
    for number, name in enumerate(("first", "last")):
        await raw.frame(TEXT, f'42{number}["{name}"]'.encode())
        assert (await raw.read())[1] == f"43{number}[7]".encode()
    assert system.metric(node, "channelgate_tokens_total", outcome="valid") == 1
    again, packet = await connect(node.port, issued.json()["ws_token"])
    assert packet.startswith("44"), packet
    for one in (raw, again):
        one.abort()


async def test_an_unknown_namespace_is_refused_like_the_reference_server(system):
    node = system.start_node(config=CONFIG)
    raw, packet = await connect(node.port, None, "/nothing")
    assert packet == '44{"message":"Invalid namespace"}'
    raw.abort()
    assert (await knock(node.port, "/nothing/")).status == 404
    assert (await knock(node.port, f"{BASE}websocket".replace("EIO=4", "EIO=3"))).body["code"] == 5
