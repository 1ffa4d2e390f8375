"""A node killed, and Redis restarted, mid-session: which members stay, and that events arrive again."""

import signal

import pytest
from rig.client import until
from rig.demo import mint_person
from rig.http import Http
from rig.shop import joined, pair_in, stranger, user_ids
from rig.system import LAYERS, System

#: A lease of six seconds: a node that stands still for less on a busy machine does not count as dead.
QUICK = {"CHANNELGATE__CLUSTER__HEARTBEAT": "2s", "CHANNELGATE__LAYER__PROBE_INTERVAL": "200ms"}
ROOM = "work_order_7"


@pytest.fixture(params=["core", "pubsub"])
def three(request, tmp_path, database):
    """Three nodes with short leases, behind nginx, for a test to destroy."""
    system = System(tmp_path, LAYERS[request.param])
    yield system.start_gate(3, database, **QUICK)
    system.stop()


async def test_after_a_killed_node_members_that_return_stay_and_others_are_reported_once(three, sockets):
    doomed, *others = three.nodes
    role = stranger().role
    watcher = await sockets.open(others[0].port, mint_person(stranger().id, role))
    kinds = ("js-websocket", "js-polling", "py-websocket", "js-upgrade", "js-websocket", "py-polling")
    staying = [mint_person(stranger().id, role) for _ in kinds]
    # Through the balancer, so some of them are on the killed node, and can come back elsewhere.
    clients = [await sockets.open(three.port, one, kind=kind) for one, kind in zip(staying, kinds, strict=True)]
    lost = [mint_person(stranger().id, role) for _ in range(3)]
    for person in lost:
        await sockets.open(doomed.port, person)
    # One with a second tab elsewhere stays present.
    two_tabs = mint_person(stranger().id, role)
    for node in (doomed, others[1]):
        await sockets.open(node.port, two_tabs)
    everybody = {person.id for person in (*staying, *lost, two_tabs)}
    await watcher.wait(lambda: everybody <= set(user_ids(watcher, "user_online")), "everybody to be there")
    doomed.kill()
    await watcher.wait(
        lambda: {person.id for person in lost} <= set(user_ids(watcher, "user_offline")), "the lost to be missed"
    )
    # A client may not have noticed yet that its node has gone. The other nodes have the watcher and a tab besides.
    at_others = lambda: sum(three.metric(node, "channelgate_connections") for node in others)  # noqa: E731
    await until(lambda: at_others() >= len(clients) + 2, "all of them to be at the other nodes")
    for client in clients:
        await client.wait(lambda client=client: client.connected, "the other clients to be back")
    assert any(len(client.ids) > 1 for client in clients), "no client was on the killed node"
    # Clients that have come back receive again, with their groups joined anew, and can send.
    async with three.publisher() as layer:
        for person in staying:
            await layer.group_send(
                f"user_{person.id}", {"type": "notification_count_updated", "userId": person.id, "timestamp": 1}
            )
        for person, client in zip(staying, clients, strict=True):
            assert (await client.data("notification_count_updated"))["userId"] == person.id
    for client in clients[:2]:
        await client.emit("join_room", ROOM)
    await joined(clients[0], clients[1], ROOM)
    # A last member leaves after all that and is reported: no other was reported twice, or wrongly.
    last = mint_person(stranger().id, role)
    await sockets.close(await sockets.open(others[1].port, last))
    await watcher.wait(lambda: last.id in user_ids(watcher, "user_offline"), "the last one to be missed")
    assert sorted(user_ids(watcher, "user_offline")) == sorted([*(person.id for person in lost), last.id])
    assert [who for who in user_ids(watcher, "user_online") if who == two_tabs.id] == [two_tabs.id]


async def test_events_arrive_again_after_redis_is_restarted_and_presence_is_right(three, sockets):
    one, two, *_ = await pair_in(three, sockets, ROOM)
    role = stranger().role
    watcher = await sockets.open(three.nodes[0].port, mint_person(stranger().id, role))
    person = mint_person(stranger().id, role)
    tabs = [await sockets.open(node.port, person) for node in three.nodes[1:]]
    await watcher.wait(lambda: person.id in user_ids(watcher, "user_online"), "the person to be there")
    three.redis.kill()
    for node in three.nodes:
        await until(lambda node=node: ready(node, 503), f"{node.name} to notice")
    three.restart_redis()
    for node in three.nodes:
        await until(lambda node=node: ready(node, 200), f"{node.name} to be ready again")
    assert one.connected and two.connected and watcher.connected
    # No client had to reconnect; rooms are unchanged, for clients and for Django.
    assert [len(socket.ids) for socket in (one, two, watcher, *tabs)] == [1] * 5
    await joined(one, two, ROOM)
    await joined(two, one, ROOM)
    async with three.publisher() as layer:
        await layer.group_send(
            ROOM,
            {
                "type": "work_order_updated",
                "workOrderId": 7,
                "action": "updated",
                "workOrder": {},
                "data": {},
                "timestamp": 1,
            },
        )
        for client in (one, two):
            assert (await client.data("work_order_updated"))["workOrderId"] == 7
    # The new Redis knows only the members that the nodes write to it.
    await sockets.close(tabs[0])
    passing = mint_person(stranger().id, role)
    await sockets.close(await sockets.open(three.nodes[1].port, passing))
    await watcher.wait(lambda: passing.id in user_ids(watcher, "user_offline"), "the passer-by to be missed")
    assert person.id not in user_ids(watcher, "user_offline"), "there is still a tab"
    await sockets.close(tabs[1])
    await watcher.wait(lambda: person.id in user_ids(watcher, "user_offline"), "the last tab to be missed")
    assert user_ids(watcher, "user_offline").count(person.id) == 1


async def test_a_frozen_node_comes_back_to_its_clients(three, sockets):
    frozen, other, _ = three.nodes
    role = stranger().role
    watcher = await sockets.open(other.port, mint_person(stranger().id, role))
    person = mint_person(stranger().id, role)
    client = await sockets.open(frozen.port, person)
    await watcher.wait(lambda: person.id in user_ids(watcher, "user_online"), "the person to be there")
    frozen.signal(signal.SIGSTOP)
    try:
        # For the other nodes it is as if it had died.
        await watcher.wait(lambda: person.id in user_ids(watcher, "user_offline"), "the person to be missed")
    finally:
        frozen.signal(signal.SIGCONT)
    # It stayed connected to its client, who is present again.
    await watcher.wait(lambda: user_ids(watcher, "user_online").count(person.id) == 2, "the person to be back")
    assert client.connected and len(client.ids) == 1
    await sockets.close(client)
    await watcher.wait(lambda: user_ids(watcher, "user_offline").count(person.id) == 2, "the person to leave")


async def ready(node, status: int) -> bool:
    return (await Http(node.port).get("/health/ready")).status == status
