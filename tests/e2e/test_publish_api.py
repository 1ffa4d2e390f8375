"""`POST /api/publish`: what it accepts, and how it refuses."""

import json

import pytest
from rig.client import Client
from rig.http import Http
from rig.system import API_KEY

EVENT = {"type": "send_event", "event": "n", "data": {"ü": [1, 2.0, None]}}


@pytest.fixture
def nodes(system):
    """Two nodes; publishes go to the first."""
    nodes = [system.start_node(wait=False) for _ in range(2)]
    system.wait()
    return nodes


async def test_one_and_many_events_reach_every_node_in_order(nodes):
    clients = [await Client.open(node.port, "/ws/") for node in nodes]
    api = Http(nodes[0].port)
    reply = await api.post("/api/publish", data={"group": "broadcast", "event": EVENT}, token=API_KEY)
    assert (reply.status, reply.json()) == (200, {"accepted": 1})
    batch = [{"group": "broadcast", "event": {**EVENT, "data": number}} for number in range(50)]
    reply = await api.post("/api/publish", data=batch, token=API_KEY)
    assert (reply.status, reply.json()) == (200, {"accepted": 50})
    reply = await api.post("/api/publish", data=[], token=API_KEY)
    assert (reply.status, reply.json()) == (200, {"accepted": 0})
    for client in clients:
        frames = await client.count(51)
        assert [frame["data"] for frame in frames] == [EVENT["data"], *range(50)]
        await client.close()


async def test_without_the_key_nothing_is_accepted(nodes):
    client = await Client.open(nodes[1].port, "/ws/")
    api = Http(nodes[0].port)
    wrong = ["", "Bearer", "Bearer ", "Bearer wrong", f"Token {API_KEY}", API_KEY, f"Bearer {API_KEY}x", "Bearer é"]
    for header in [None, *wrong]:
        headers = {} if header is None else {"Authorization": header.encode()}
        reply = await api.post("/api/publish", data={"group": "broadcast", "event": EVENT}, headers=headers)
        assert reply.status == 401 and reply.json()["detail"], header
        assert API_KEY not in reply.body.decode()
    reply = await api.post("/api/publish", data={"group": "broadcast", "event": EVENT}, token=API_KEY)
    assert reply.status == 200
    assert len(await client.count(1)) == 1
    await client.close()


BAD = {
    "not JSON": (b"{", ""),
    "empty": (b"", ""),
    "invalid UTF-8": (b'{"group": "\xff"}', ""),
    "a number": (7, ""),
    "a text": ("broadcast", ""),
    "no group": ({"event": EVENT}, "group"),
    "no event": ({"group": "broadcast"}, "event"),
    "group is not text": ({"group": 7, "event": EVENT}, "group"),
    "group is empty": ({"group": "", "event": EVENT}, "group"),
    "group has a colon": ({"group": "room:1", "event": EVENT}, "group"),
    "group is too long": ({"group": "x" * 100, "event": EVENT}, "group"),
    "event is a list": ({"group": "broadcast", "event": []}, "event"),
    "event is null": ({"group": "broadcast", "event": None}, "event"),
    "an unknown key": ({"group": "broadcast", "event": EVENT, "to": "all"}, "to"),
    "second of three": ([{"group": "broadcast", "event": EVENT}, {"group": "broadcast"}, {}], "1"),
}


async def test_an_invalid_field_is_named_and_nothing_is_published(nodes):
    client = await Client.open(nodes[1].port, "/ws/")
    api = Http(nodes[0].port)
    for what, (body, field) in BAD.items():
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        reply = await api.post("/api/publish", body=data, token=API_KEY, headers={"Content-Type": "application/json"})
        assert reply.status == 400, (what, reply)
        assert field in json.dumps(reply.json()), (what, reply)
    reply = await api.post("/api/publish", data={"group": "broadcast", "event": {**EVENT, "data": 0}}, token=API_KEY)
    assert reply.status == 200
    assert [frame["data"] for frame in await client.count(1)] == [0]
    await client.close()


async def test_a_body_above_the_limit_is_413(nodes):
    api = Http(nodes[0].port)
    for size, status in ((900_000, 200), (1_200_000, 413)):
        event = {**EVENT, "data": "x" * size}
        reply = await api.post("/api/publish", data={"group": "nobody", "event": event}, token=API_KEY)
        assert reply.status == status
    reply = await api.get("/api/publish", token=API_KEY)
    assert reply.status in (404, 405)


async def test_without_a_configured_key_the_api_is_off(system):
    node = system.start_node(CHANNELGATE_API_KEY="")
    reply = await Http(node.port).post("/api/publish", data={"group": "broadcast", "event": EVENT})
    assert reply.status == 403 and reply.json()["detail"]
