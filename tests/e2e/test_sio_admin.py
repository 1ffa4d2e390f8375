"""The admin API: the whole cluster in figures, a user's rooms, and events to users, rooms and roles."""

import signal
import time

import pytest
from rig.client import until
from rig.demo import access_claims, mint, mint_person
from rig.http import Http
from rig.shop import joined, pair_in, stranger
from rig.times import is_now

API = "/api/websocket"


@pytest.fixture
def three(system, database):
    """Three nodes behind nginx, without other clients."""
    return system.start_gate(3, database)


@pytest.fixture
def admin() -> str:
    return mint_person(1, "admin").token


async def ask(port: int, path: str, token: str, body=None, status: int = 200) -> dict:
    """A request to the API that must be answered with this status; returns its body."""
    method = "GET" if body is None else "POST"
    reply = await Http(port).request(method, API + path, data=body, token=token)
    assert reply.status == status, reply
    answer = reply.json()
    assert answer["status"] == ("success" if status == 200 else "error") and answer["message"]
    return answer


async def test_health_is_public_and_counts_users_once(three, sockets):
    person = stranger()
    for node in three.nodes:
        await sockets.open(node.port, person)
    await sockets.open(three.port, stranger())

    async def health() -> dict:
        reply = await Http(three.port).get(f"{API}/health")
        assert reply.status == 200, reply
        return reply.json()

    await until(lambda: counted(health, 2), "two users")
    body = await health()
    assert body["service"] and body["status"] == "active" and is_now(body["timestamp"])


async def counted(health, users: int) -> bool:
    return (await health())["connectedUsers"] == users


async def test_statistics_cover_all_nodes_at_every_node(three, sockets, admin):
    person = stranger()
    for number, node in enumerate(three.nodes, start=1):
        for _ in range(number):
            await sockets.open(node.port, person)
    other = await sockets.open(three.nodes[0].port, stranger(), kind="js-polling")
    await other.emit("join_room", "work_order_77")

    async def settled():
        data = (await ask(three.port, "/stats", admin))["data"]
        return data if (data["connections"], data["users"]) == (7, 2) else None

    data = await until(settled, "seven connections of two users")
    assert data["nodes"] == 3 and len(data["perNode"]) == 3
    # Each has a role's and a user's room; there are two of each, and one work order, and the node's own rooms.
    assert data["rooms"] >= 5
    assert sorted(node["connections"] for node in data["perNode"]) == [2, 2, 3]
    before = data["events"]
    async with three.publisher() as layer:
        for _ in range(5):
            event = {"type": "notification_count_updated", "userId": person.id, "timestamp": 1}
            await layer.group_send(f"user_{person.id}", event)
    for node in three.nodes:
        answer = await ask(node.port, "/stats", admin)
        assert answer["silent"] == [] and answer["data"]["connections"] == 7
        assert answer["data"]["events"] >= before


async def test_a_users_rooms_are_found_on_every_node(three, sockets, admin):
    person = stranger("manager")
    tabs = [await sockets.open(node.port, person) for node in three.nodes[:2]]
    helper = await sockets.open(three.port, stranger())
    for client in (tabs[0], helper):
        await client.emit("join_room", "ticket_5")
    await joined(tabs[0], helper, "ticket_5")
    for node in three.nodes:
        data = (await ask(node.port, f"/user/{person.id}/rooms", admin))["data"]
        assert {f"user_{person.id}", "role_manager", "admin_room", "ticket_5"} <= set(data["rooms"])
        assert {socket["id"] for socket in data["sockets"]} == {tab.id for tab in tabs}
        in_ticket = [socket["id"] for socket in data["sockets"] if "ticket_5" in socket["rooms"]]
        assert in_ticket == [tabs[0].id]
    nobody = (await ask(three.port, "/user/987654/rooms", admin))["data"]
    assert (nobody["rooms"], nobody["sockets"]) == ([], [])


async def test_events_go_only_to_a_user_a_room_or_a_role(three, sockets, admin):
    one, two, person, other = await pair_in(three, sockets, "work_order_8")
    tab = await sockets.open(three.nodes[2].port, person, kind="js-polling")
    data = {"text": "Grüße ☕", "nested": [1, 2.5, None, {"a": []}]}
    targets = {
        f"/emit/{person.id}": (one, tab),
        "/emit/room/work_order_8": (one, two),
        f"/emit/role/{other.role}": (two,),
        "/emit/987654": (),
    }
    for number, (path, receivers) in enumerate(targets.items()):
        answer = await ask(three.nodes[number % 3].port, path, admin, {"event": f"to {path}", "data": data})
        assert answer["silent"] == []
        assert answer["data"]["sockets"] == len(receivers)
    # A last event for all of them, room by room, completes the count.
    for group in (person.id, other.id):
        await ask(three.port, f"/emit/{group}", admin, {"event": "end"})
    for client in (one, two, tab):
        assert await client.args("end") == []
        got = [event for event in client.events if event.name.startswith("to ")]
        assert got == [(f"to {path}", [data]) for path, receivers in targets.items() if client in receivers]


async def test_an_invalid_request_names_its_field(three, admin):
    wrong = {
        "event": [{}, {"data": 1}, {"event": ""}, {"event": None}, {"event": 7}, {"event": "disconnect"}],
        "body": [[], "text", 7],
    }
    for field, bodies in wrong.items():
        for body in bodies:
            for path in ("/emit/7", "/emit/room/work_order_7", "/emit/role/admin"):
                answer = await ask(three.port, path, admin, body, 400)
                assert answer["field"] == field, (path, body, answer)
    assert "Event name is required" in (await ask(three.port, "/emit/7", admin, {}, 400))["message"]
    reply = await Http(three.port).post(f"{API}/emit/7", body=b"{", token=admin)
    assert (reply.status, reply.json()["field"]) == (400, "body")
    await ask(three.port, f"/emit/room/{'x' * 200}", admin, {"event": "e"}, 400)


async def test_only_admins_are_answered(three, admin):
    key = "a key of somebody else's, long enough"
    claims = {**access_claims(1), "user_id": "1", "id": 1, "role": "admin"}
    strangers = [None, "noise", mint(key, **claims), mint(**{**claims, "exp": int(time.time()) - 60})]
    paths = [("/stats", None), ("/user/7/rooms", None)]
    paths += [(path, {"event": "e"}) for path in ("/emit/7", "/emit/room/ticket_1", "/emit/role/admin")]
    for path, body in paths:
        for token in strangers:
            await ask(three.port, path, token, body, 401)
        for role in ("user", "technician", "Admin", ""):
            await ask(three.port, path, mint_person(2, role).token, body, 403)
        assert (await ask(three.port, path, admin, body))["silent"] == []
    # Not from the query, which ends up in logs.
    assert (await Http(three.port).get(f"{API}/stats?token={admin}")).status == 401


async def test_a_node_that_does_not_answer_is_named(three, sockets, admin):
    frozen, *others = three.nodes
    stats = (await ask(others[0].port, "/stats", admin))["data"]
    (name,) = [node["node"] for node in stats["perNode"] if node["address"].endswith(f":{frozen.port}")]
    person = stranger()
    client = await sockets.open(others[1].port, person)
    frozen.signal(signal.SIGSTOP)
    try:
        # Answering nodes are included, and deliverable events are delivered.
        answer = await ask(others[0].port, f"/emit/{person.id}", admin, {"event": "hello"})
        assert answer["silent"] == [name] and answer["data"]["sockets"] == 1
        assert await client.args("hello") == []
        answer = await ask(others[0].port, "/stats", admin)
        assert answer["silent"] == [name] and answer["data"]["nodes"] == 3
    finally:
        frozen.signal(signal.SIGCONT)

    async def complete() -> bool:
        return (await ask(others[0].port, "/stats", admin))["silent"] == []

    await until(complete, "the node to answer again")
