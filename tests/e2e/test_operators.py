"""What the operators' page reads: figures with their history, and the live stream, of two nodes and a real Redis."""

import asyncio
import json
import signal
import time

import pytest
import redis.asyncio as redis
import stack
import websockets
from rig.client import Client, until
from rig.demo import mint_access, mint_person
from rig.http import Http
from rig.operators import LIVE, ROOM, ROOMS, Live, ids, note, publish, start_pair, stats, total
from rig.raw import Raw
from rig.system import API_KEY
from rig.tail import Tail, watchers

ROLE = {"role": "admin"}


@pytest.fixture
def admin() -> str:
    return mint_person(1, "admin").token


@pytest.fixture
def pair(system):
    return start_pair(system)


@pytest.fixture(scope="module")
def node(module_system):
    """One node, for tests that leave nothing behind."""
    return module_system.start_node(config=ROOMS)


async def test_the_history_of_two_nodes_is_merged_and_a_room_on_both_is_one_room(pair, admin):
    one, two = pair.nodes
    known = await ids(one.port, admin)
    paths = [(one, "/room/a/"), (one, "/room/a/"), (two, "/room/a/"), (two, "/desk/b/")]
    clients = [await Client.open(node.port, path) for node, path in paths]
    await publish(one, "room_a", *[note() for _ in range(7)])
    await publish(two, "desk_b", note(), {"type": "unknown"})
    for client, count in zip(clients, (7, 7, 7, 1), strict=True):
        await client.count(count)

    async def counted():
        data = (await stats(two.port, admin, minutes=2))["data"]
        history = data["history"]
        is_well = all(node["ready"] and node["reason"] is None and node["version"] for node in data["perNode"])
        # The last step is there for all nodes a moment later than for the first one.
        return data if total(history["events"]) == 16 and history["connections"][-1] == 4 and is_well else None

    # Seven events for both nodes, and two for the second one only.
    data = await until(counted, "all events in the history")
    history = data["history"]
    assert history["step"] == 5 and history["end"] % 5 == 0
    assert 0 <= time.time() - history["end"] < 60
    for name in ("events", "deliveries", "connections"):
        assert len(history[name]) == 24, name
    assert total(history["deliveries"]) == 22
    assert [total(values) for values in history["drops"].values()] == [1] and list(history["drops"]) == ["no_handler"]
    assert history["bridge"] == history["backend"] == {}
    by_name = {node["name"]: node for node in history["perNode"]}
    assert {name: node["node"] for name, node in by_name.items()} == known
    assert (total(by_name["one"]["events"]), total(by_name["two"]["events"])) == (7, 9)
    for step, both in enumerate(history["events"]):
        values = [node["events"][step] for node in history["perNode"]]
        assert both == (None if values == [None, None] else total(values)), step
    assert data["largestRooms"] == [{"room": "room_a", "members": 3}, {"room": "desk_b", "members": 1}]
    assert data["consumers"] == [
        {"consumer": "desk", "protocol": "websocket", "connections": 1},
        {"consumer": "room", "protocol": "websocket", "connections": 3},
    ]
    assert (data["nodes"], data["connections"], data["events"]) == (2, 4, 16)
    # Without `minutes` the answer is what it has always been.
    plain = (await stats(one.port, admin, minutes=None))["data"]
    assert list(plain) == ["nodes", "connections", "users", "rooms", "events", "perNode"]
    keys = ["node", "address", "started", "connections", "users", "rooms", "events"]
    assert all(list(node) == keys for node in plain["perNode"])
    for wrong in ("0", "16", "x"):
        assert (await stats(one.port, admin, minutes=wrong, status=400))["field"] == "minutes"
    for client in clients:
        await client.close()


async def test_a_silent_node_is_named_and_the_others_answer(system, admin):
    # With its usual lease, the node could be dead before it is asked.
    one, two = start_pair(system, CHANNELGATE__CLUSTER__HEARTBEAT="20s").nodes
    known = await ids(one.port, admin)

    async def without_it():
        answer = await stats(one.port, admin)
        return answer["data"] if answer["silent"] == [known["two"]] else None

    two.process.send_signal(signal.SIGSTOP)
    try:
        data = await until(without_it, "the answer of the other node alone")
    finally:
        two.process.send_signal(signal.SIGCONT)
    assert data["nodes"] == 2 and [node["name"] for node in data["perNode"]] == ["one"]
    assert [node["name"] for node in data["history"]["perNode"]] == ["one"]

    async def complete():
        return (await stats(one.port, admin))["silent"] == []

    await until(complete, "both nodes to answer again")


async def test_a_slow_client_is_listed_with_its_user_and_its_bytes(system, admin):
    config = ROOMS.replace('auth = ["anonymous"]', 'auth = ["jwt", "anonymous"]')
    config = config.replace('name = "room"', "name = \"room\"\non_connect.reply = \"{'id': id, 'user': user.id}\"")
    node = system.start_node(config=config, CHANNELGATE__SOCKET__SEND_BUFFER="4096")
    reader = await Raw.stalled(node.port, f"/room/a/?token={mint_access(7)}")

    async def waiting():
        return (await stats(node.port, admin))["data"]["slow"]

    async def behind():
        await publish(node, "room_a", note("x" * 50_000), is_repeated=True)
        slow = await waiting()
        return slow if slow and slow[0]["waiting"] > 50_000 else None

    [slow] = await until(behind, "the slow client")
    assert (slow["consumer"], slow["user"], len(slow["socket"])) == ("room", "7", 20)
    reader.writer.close()

    async def empty():
        return not await waiting()

    await until(empty, "no slow client")


async def test_a_live_stream_needs_the_rights_of_the_admin_api(node):
    began = time.monotonic()
    quiet = await Live.open(node.port)
    for shown, code in (("nonsense", 4401), (API_KEY, 4401), (mint_person(2, "user").token, 4403)):
        live = await Live.open(node.port, shown)
        assert (await live.client.gone())[0] == code, shown
    for first in ("no json", json.dumps({"tail": {}}), json.dumps({"authorization": ""})):
        live = await Live.open(node.port)
        await live.client.send(first)
        assert (await live.client.gone())[0] == 4401, first
    assert (await quiet.client.gone())[0] == 4401 and time.monotonic() - began > 4
    with pytest.raises(websockets.InvalidStatus) as refused:
        await Live.open(node.port, origin="https://elsewhere.example")
    assert refused.value.response.status_code == 403
    reply = await Http(node.port).get(LIVE)
    assert (reply.status, reply.json()["status"]) == (426, "error")


async def test_a_live_stream_begins_with_everything_and_goes_on_with_what_is_new(pair, admin):
    one, two = pair.nodes
    known = await ids(one.port, admin)
    live = await Live.open(one.port, admin)
    first = await live.first()
    assert len(first["history"]["events"]) == 180
    client = await Client.open(two.port, "/room/a/")
    await publish(one, "room_a", *[note() for _ in range(5)])
    await client.count(5)

    def is_complete(live):
        last = live.figures()[-1]
        return (
            live.events() == 5 and {node["name"] for node in last["perNode"]} == set(known) and len(live.figures()) > 2
        )

    await live.wait(is_complete, "the events in the samples")
    known_end, *later = live.figures()
    end = known_end["history"]["end"]
    for data in later:
        history = data["history"]
        assert history["end"] == end + 5 * len(history["events"]), "the steps follow on each other"
        end = history["end"]
    assert live.figures()[-1]["largestRooms"] == [{"room": "room_a", "members": 1}]
    await client.close()
    await live.close()


async def test_a_live_stream_ends_with_its_token(system, admin):
    node = system.start_node(config=ROOMS)

    async def begun(seconds: int):
        """A stream with a token that is valid for so long, if that was long enough to begin."""
        live = await Live.open(node.port, mint_access(1, **ROLE, exp=int(time.time()) + seconds))
        return live if await live.begins() else None

    short = await begun(6) or await begun(15) or await begun(30)
    revoked = await Live.open(node.port, admin)
    await revoked.first()
    reply = await Http(node.port).post("/api/websocket/disconnect", data={"token": admin}, token=API_KEY)
    assert reply.status == 200, reply
    assert (await revoked.client.gone())[0] == 4401
    await until(lambda: short.client.closed, "the end of the token", deadline=60)
    code, reason = await short.client.gone()
    assert code == 4401 and "expired" in reason


async def test_the_tail_shows_the_records_of_all_nodes_through_a_filter(pair, admin):
    one, two = pair.nodes
    known = await ids(one.port, admin)
    clients = [await Client.open(node.port, path) for node in (one, two) for path in ("/room/a/", "/desk/a/")]
    live = await Live.open(one.port, admin)
    await live.first()
    await live.tail(group="room_a")
    await until(lambda: watchers(pair, one) == watchers(pair, two) == 1, "both nodes to be watched")
    await publish(two, "desk_a", note())
    await publish(two, "room_a", note(), {"type": "unknown"})
    await live.wait(lambda live: len(live.records("dropped")) == 2, "a drop on each node")
    drops = live.records("dropped")
    assert {(drop["node"], drop["reason"], drop["consumer"]) for drop in drops} == {
        (node, "no_handler", "room") for node in known.values()
    }
    assert all(drop["detail"] and drop["count"] == 1 for drop in drops)

    def have_delivered(live) -> bool:
        return {record["node"] for record in live.records("delivered")} == set(known.values())

    await live.wait(have_delivered, "a delivery of each node")
    assert all(record["groups"] == ["room_a"] for record in live.records())
    assert "payload" not in json.dumps(live.records())
    # Another filter replaces it: only what was lost, of one consumer.
    await live.tail(consumer="desk", drops=True)
    await until(lambda: watchers(pair, one) == watchers(pair, two) == 1, "both nodes to be watched")
    before = len(live.records())

    async def arrives():
        await publish(one, "room_a", note(), {"type": "unknown"}, is_repeated=True)
        await publish(one, "desk_a", note(), {"type": "unknown"}, is_repeated=True)
        return {record["node"] for record in live.records()[before:]} == set(known.values())

    await until(arrives, "a drop of each node", pause=0.5)
    later = [(record["kind"], record["consumer"]) for record in live.records()[before:]]
    assert set(later) == {("dropped", "desk")}
    await live.client.send({"tail": None})
    await until(lambda: watchers(pair, one) == watchers(pair, two) == 0, "no node to be watched")
    await live.client.send({"tale": 1})
    *_, invalid = await live.wait(lambda live: len(live.all("invalid")) == 3 and live.all("invalid"), "the reason")
    assert "tail" in invalid["message"] and live.client.closed is None
    await live.close()
    for client in clients:
        await client.close()


async def test_a_node_whose_records_do_not_arrive_is_named(pair, admin):
    one, two = pair.nodes
    known = await ids(one.port, admin)
    live = await Live.open(one.port, admin)
    await live.tail()
    await until(lambda: watchers(pair, two) == 1, "the other node to be watched")
    two.process.kill()
    silent = {"type": "tail_silent", "nodes": [known["two"]]}
    await live.wait(lambda live: silent in live.all("tail_silent"), "the silent node")
    # The end of its lease, and with it of the wait for its records.
    async with redis.from_url(pair.redis_url) as bus:
        await bus.zrem("channelgate:nodes", known["two"])
    await live.wait(lambda live: live.all("tail_silent")[-1]["nodes"] == [], "no silent node")
    await live.close()


async def test_records_that_a_page_cannot_keep_up_with_are_counted(system, admin):
    # Each event has a record of its own, and one for each consumer that does not know it.
    rooms = [ROOM.replace('"room"', f'"room{number}"').replace("/room/", f"/room{number}/") for number in range(8)]
    node = system.start_node(config="".join(rooms))
    clients = [await Client.open(node.port, f"/room{number}/a/") for number in range(8)]
    live = await Live.open(node.port, admin)
    await live.tail()
    await until(lambda: watchers(system, node) == 1, "the node to be watched")

    async def dropped():
        await publish(node, "room_a", *[{"type": "unknown"} for _ in range(1000)], is_repeated=True)
        return live.all("tail_dropped")

    assert all(message["count"] > 0 for message in await until(dropped, "records that were dropped"))
    assert live.records("dropped")
    await live.answers()
    await live.close()
    for client in clients:
        await client.close()


async def test_a_drain_ends_live_streams(pair, admin):
    one, two = pair.nodes
    here, other = await Live.open(one.port, admin), await Live.open(two.port, admin)
    await here.first()
    await other.first()
    one.process.terminate()
    assert (await here.client.gone())[0] == 1012
    await until(lambda: one.process.poll() is not None, "the node to end")
    assert one.process.returncode == 0 and other.client.closed is None
    await other.close()


async def test_the_number_of_live_streams_is_limited(node, admin):
    streams = await asyncio.gather(*(Live.open(node.port, admin) for _ in range(16)))
    for live in streams:
        await live.first()
    more = await Live.open(node.port, admin)
    assert (await more.client.gone())[0] == 1013
    for live in streams:
        await live.close()

    async def has_room():
        live = await Live.open(node.port, admin)
        begins = await live.begins()
        await live.close()
        return begins

    await until(has_room, "room for another one")


async def test_the_command_shows_only_what_a_consumer_has_lost(system):
    node = system.start_node(config=ROOMS)
    clients = [await Client.open(node.port, f"/{name}/a/") for name in ("room", "desk")]
    tail = await Tail.start(system, node, arguments=("--json", "--drops", "--consumer", "desk"))
    await publish(node, "room_a", note(), {"type": "unknown"})
    await publish(node, "desk_a", note(), {"type": "unknown"})
    await tail.wait(lambda tail: tail.lines, "the drop")
    assert [(line["kind"], line["consumer"]) for line in tail.json()] == [("dropped", "desk")]
    await tail.stop()
    for client in clients:
        await client.close()


async def test_no_token_of_an_operator_goes_to_another_node(pair, admin):
    """Addresses of nodes are in Redis: who can write there gets a ticket for a node of his own, and no more."""
    one, two = pair.nodes
    heads = []

    async def listen(reader, writer):
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.close()

    server = await asyncio.start_server(listen, stack.LOOPBACK, 0)
    address = f"{stack.LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    live = await Live.open(one.port, admin)
    await live.first()
    async with redis.from_url(pair.redis_url) as bus:
        facts = json.dumps({"address": address, "started": 1, "connections": 0})
        await bus.set("channelgate:node:aaaabbbbcccc", facts, ex=60)
        await bus.zadd("channelgate:nodes", {"aaaabbbbcccc": (time.time() + 60) * 1000})
    await live.tail(drops=True)
    await until(lambda: heads, "a request to the node of another")
    await live.wait(lambda live: live.all("tail_silent"), "the silent node")
    server.close()
    head = heads[0].lower()
    assert head.startswith("get /api/tail?drops=1 ") and admin.lower() not in head and "authorization" not in head
    [ticket] = [
        line.split(": ")[1] for line in heads[0].split("\r\n") if line.lower().startswith("x-channelgate-ticket:")
    ]
    for node in (one, two):
        reply = await Http(node.port).get("/api/tail", headers={"X-Channelgate-Ticket": ticket})
        assert reply.status == 401, reply
    await live.close()


async def test_the_tail_over_http_needs_the_key(node, admin):
    for path, token, status in (
        ("/api/tail", admin, 401),
        ("/api/tail?consumers=room", API_KEY, 400),
    ):
        reply = await Http(node.port).get(path, token=token)
        assert reply.status == status, (path, reply)
    reply = await Http(node.port).request("HEAD", "/api/tail?consumer=room&drops=1", token=API_KEY)
    assert reply.status == 200, reply
