"""Faults on the way to Redis: detected in the stated time, recovered from, and reported to clients that ask."""

import asyncio
import signal

import pytest
import redis.asyncio as redis
import stack
from rig.client import Client, refusal, until
from rig.config import ROOMS
from rig.demo import mint_person
from rig.faults import Link, Readiness, Watched, standstill
from rig.http import Http
from rig.log import whole_log
from rig.shop import stranger, user_ids
from rig.system import LAYERS, System

#: With the defaults: one probe per second, three missed ones.
NOTICED = 5.0
#: A connection that was cut is noticed at once.
CUT_NOTICED = 1.0
#: Where the other tests run at the same time, and the time is not what is tested.
SOME_TIME = 30.0

GAPS = """
presets = ["feed"]

[[consumer]]
name = "rooms"
protocol = "socket.io"
path = "/socket.io/"
auth = ["anonymous"]
groups = ["room"]
[consumer.on_event."*"]
emit = { event = "said", data = "event.n" }
[consumer.on_gap]
when = "auth.gaps"
emit = { event = "gap", args = "[gap.reason, gap.groups]" }
"""


def send_event(data) -> dict:
    return {"type": "send_event", "event": "n", "data": data}


def frame(data) -> dict:
    return {"event": "n", "data": data}


def gap(reason: str) -> dict:
    return {"event": "gap", "data": {"reason": reason}}


def gaps(system: System, node: stack.Part, reason: str) -> float:
    return system.metric(node, "channelgate_gaps_total", reason=reason)


async def every_event_arrives_once(publisher, asked, silent, before: list, reason: str) -> None:
    """An event published now comes after the notice for clients that asked, and without one for the others."""
    for number in range(50):
        await publisher.group_send("broadcast", send_event(number))
    news = [frame(number) for number in range(50)]
    assert await asked.count(len(before) + 51) == [*before, gap(reason), *news]
    assert await silent.count(len(before) + 50) == [*before, *news]
    assert asked.closed is None and silent.closed is None


async def test_clients_that_ask_get_one_gap_notice_in_order(bus, sockets):
    node = bus.start_node(config=GAPS)
    plain = [await Client.open(node.port, f"/ws/{query}") for query in ("?gaps=1", "?gaps=0", "")]
    told = await sockets.open(node.port, auth={"gaps": True})
    untold = await sockets.open(node.port, auth={})
    async with bus.publisher() as publisher:
        await publisher.group_send("broadcast", send_event("before"))
        for client in plain:
            await client.count(1)
    ready = Readiness(node)
    bus.redis.kill()
    await ready.is_(503, SOME_TIME)
    bus.restart_redis()
    await ready.is_(200, SOME_TIME)
    async with bus.publisher() as publisher:
        await publisher.group_send("broadcast", send_event("after"))
        await publisher.group_send("room", {"type": "said", "n": 1})
        assert await plain[0].count(3) == [frame("before"), gap("reconnected"), frame("after")]
        for client in plain[1:]:
            assert await client.count(2) == [frame("before"), frame("after")]
        for socket in (told, untold):
            await socket.args("said")
    assert [(event.name, event.args) for event in told.events] == [("gap", ["reconnected", None]), ("said", [1])]
    assert untold.names("gap", "said") == ["said"]
    assert gaps(bus, node, "reconnected") == 1
    for client in plain:
        assert client.closed is None
        await client.close()


@pytest.mark.alone("bounds how soon an outage is noticed")
async def test_a_connection_that_is_cut_is_noticed_at_once(bus):
    node = bus.start_node()
    ready = Readiness(node)
    bus.redis.kill()
    assert await ready.is_(503, 5) < CUT_NOTICED


async def test_a_full_queue_is_reported_to_its_groups(system, sockets):
    node = system.start_node(config=GAPS)
    plain = await Client.open(node.port, "/ws/?gaps=1")
    socket = await sockets.open(node.port, auth={"gaps": True})
    async with system.publisher() as publisher:
        node.signal(signal.SIGSTOP)
        for number in range(150):
            await publisher.group_send("broadcast", send_event(number))
        node.signal(signal.SIGCONT)
        await plain.wait(lambda client: gap("capacity") in client.json(), "the notice")
        await publisher.group_send("room", {"type": "said", "n": 1})
        await socket.args("said")
    assert plain.json().count(gap("capacity")) == gaps(system, node, "capacity")
    queues = 4
    shares_the_queue = [event.args for event in socket.events if event.name == "gap"]
    assert shares_the_queue in ([], [["capacity", ["room"]]] * int(gaps(system, node, "capacity"))), queues
    # A gap is reported and never ends a connection; and a process that was suspended blames no one.
    assert plain.closed is None
    assert (await Http(node.port).get("/health/live")).status == 200
    await plain.close()


async def test_churn_and_idleness_make_no_false_gap(bus):
    node = bus.start_node(config=GAPS, CHANNELGATE__LAYER__LINGER="100ms")
    idle = await Client.open(node.port, "/ws/?gaps=1")
    end = asyncio.get_running_loop().time() + 15
    sent = 0
    async with bus.publisher(capacity=10_000) as publisher:

        async def churn() -> None:
            while asyncio.get_running_loop().time() < end:
                client = await Client.open(node.port, "/ws/?gaps=1")
                await client.close()

        async def publish() -> None:
            nonlocal sent
            while asyncio.get_running_loop().time() < end:
                await publisher.group_send("broadcast", send_event(sent))
                sent += 1
                await asyncio.sleep(0.01)

        ready = Readiness(node)
        await asyncio.gather(churn(), churn(), publish(), ready.stays(200, 15))
    assert await idle.count(sent) == [frame(number) for number in range(sent)]
    await asyncio.to_thread(whole_log, node)
    body = (await Http(node.port).get("/metrics")).body.decode()
    # What docs/METRICS.md says of a healthy node.
    for name in ("gaps", "redis_reconnects", "redis_refusals", "presence_failures", "log_lines_dropped"):
        lines = [line for line in body.splitlines() if line.startswith(f"channelgate_{name}_total")]
        assert lines and all(line.endswith(" 0") for line in lines), lines
    assert "channelgate_log_waiting_bytes 0" in body
    await idle.close()


@pytest.mark.parametrize("name", ["layer", "actix"])
async def test_a_stuck_thread_fails_liveness(system, name):
    node = system.start_node(CHANNELGATE__SERVER__STUCK_AFTER="3s", CHANNELGATE__SERVER__WORKERS="2")
    http = Http(node.port)

    async def alive() -> int | None:
        # A connection that the kernel gave to the stopped worker gets no answer.
        return await asyncio.to_thread(stack.http_status, node.port, "/health/live")

    assert await alive() == 200
    with standstill(node, name):
        await until(lambda: _is(alive, 503), "liveness to fail")
        body = None
        while body is None:
            if await alive() == 503:
                body = (await http.get("/health/live")).json() if name == "layer" else {"status": "stuck", "reason": ""}
        assert body["status"] == "stuck", body
    await until(lambda: _is(alive, 200), "life again")


async def _is(probe, status: int) -> bool:
    return await probe() == status


async def test_with_one_of_two_servers_down_only_its_groups_are_refused_and_readiness_reports_it(system):
    other = system.start_redis()
    hosts = f"{system.redis_url},redis://{stack.LOOPBACK}:{other.port}/0"
    node = system.start_node(config=ROOMS, CHANNELGATE_LAYER="pubsub", CHANNELGATE__LAYER__HOSTS=hosts)
    http = Http(node.port)
    assert (await http.get("/health/ready")).json() == {"status": "ready"}
    other.kill()

    async def degraded() -> dict:
        return (await http.get("/health/ready")).json().get("status") == "degraded"

    await until(degraded, "a degraded node")
    reply = await http.get("/health/ready")
    assert reply.status == 200 and f":{other.port}" in reply.json()["reason"]
    answers = {await refusal(node.port, f"/room/{number}/") for number in range(12)}
    assert answers == {101, 503}
    system.redis.kill()
    await Readiness(node).is_(503, SOME_TIME)


@pytest.fixture
def link(tmp_path):
    link = Link(tmp_path)
    link.up()
    yield link
    link.down()


@pytest.mark.alone("bounds how soon an outage and its end are noticed")
@pytest.mark.parametrize("kind", ["core", "pubsub"])
async def test_a_link_that_drops_every_packet(kind, link, tmp_path, record_property):
    system = System(tmp_path, LAYERS[kind])
    try:
        system._start(link.redis(tmp_path))
        node = system.start_node(REDIS_URL=link.url)
        ready = Readiness(node)
        asked, silent = [await Client.open(node.port, path) for path in ("/ws/?gaps=1", "/ws/")]
        # At the Redis itself, past the link.
        publisher = system.layer.publisher(f"unix://{link.socket}")
        await publisher.group_send("broadcast", send_event("before"))
        for client in (asked, silent):
            await client.count(1)

        # Dropped for a while: detected, and events published meanwhile arrive when the link is back. No gap.
        link.cut()
        ready.begin()
        await publisher.group_send("broadcast", send_event("meanwhile"))
        noticed = await ready.is_(503, 20)
        assert await refusal(node.port, "/ws/") == 503
        link.mend()
        forgiven = await ready.is_(200, 20)
        await publisher.group_send("broadcast", send_event("mended"))
        before = [frame("before"), frame("meanwhile"), frame("mended")]
        for client in (asked, silent):
            assert await client.count(3) == before
        assert gaps(system, node, "reconnected") == 0

        # Dropped for long: closed, reconnected when possible, and reported.
        link.cut()
        ready.begin()
        noticed_again = await ready.is_(503, 20)
        # A machine that stands still for a moment delays one of them.
        assert min(noticed, noticed_again) < NOTICED, (noticed, noticed_again)

        async def given_up() -> bool:
            reason = (await ready.http.get("/health/ready")).json().get("reason", "")
            return "probes did not come back" not in reason

        await until(given_up, "the connection to be given up", 25)
        assert (await Http(node.port).get("/health/live")).status == 200
        link.mend()
        ready.begin()
        recovered = await ready.is_(200, 25)
        await every_event_arrives_once(publisher, asked, silent, before, "reconnected")
        assert gaps(system, node, "reconnected") == 1
        print(f"half-open, {kind}: {noticed=:.2f} {forgiven=:.2f} {noticed_again=:.2f} {recovered=:.2f} s")
        for client in (asked, silent):
            await client.close()
    finally:
        system.stop()


@pytest.mark.parametrize("how", ["killed", "frozen", "demoted"])
async def test_a_failover_of_sentinel(bus, how):
    watched = Watched(bus)
    node = bus.start_node(REDIS_URL=watched.url)
    ready = Readiness(node)
    asked, silent = [await Client.open(node.port, path) for path in ("/ws/?gaps=1", "/ws/")]
    async with bus.publisher() as publisher:
        await publisher.group_send("broadcast", send_event("before"))
        for client in (asked, silent):
            await client.count(1)
    ready.begin()
    watched.fail(how)
    # Sentinel reports an old master that is still running once it has elected another.
    noticed = await ready.is_(503, SOME_TIME)
    if how != "demoted":
        assert await refusal(node.port, "/ws/") == 503
    recovered = await ready.is_(200, SOME_TIME)
    assert (await Http(node.port).get("/health/live")).status == 200
    publisher = bus.layer.publisher(f"redis://{stack.LOOPBACK}:{watched.replica.port}/0")
    await every_event_arrives_once(publisher, asked, silent, [frame("before")], "reconnected")
    late = await Client.open(node.port, "/ws/")
    # The old master comes back as a replica, and no node stays connected to it.
    await watched.come_back(how)
    await ready.stays(200, 3)
    await publisher.group_send("broadcast", send_event("last"))
    assert await late.count(1) == [frame("last")]
    for client in (asked, silent):
        assert (await client.wait(lambda client: client.json()[-1] == frame("last"), "the last event")) is True
    assert gaps(bus, node, "reconnected") == 1
    print(f"failover, {bus.layer.kind}, {how}: {noticed=:.2f} {recovered=:.2f} s")
    for client in (asked, silent, late):
        await client.close()


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_presence_cluster_and_cache_follow_a_failover(system, sockets, how):
    watched = Watched(system)
    nodes = [system.start_node(wait=False, REDIS_URL=watched.url) for _ in range(2)]
    system.wait()
    person, colleague = stranger(), stranger()
    tab = await sockets.open(nodes[0].port, person)
    watcher = await sockets.open(nodes[1].port, mint_person(colleague.id, person.role))
    await watcher.wait(lambda: user_ids(watcher, "user_online"), "its own user to be reported online")
    ready = [Readiness(node) for node in nodes]
    watched.fail(how)
    for one in ready:
        await one.is_(503, SOME_TIME)
    for one in ready:
        await one.is_(200, SOME_TIME)
    connection = redis.Redis(port=watched.replica.port)
    # The cache: a token that only the new master has.
    await connection.set(":1:ws_token_after", 7, ex=60)
    for node in nodes:
        assert await refusal(node.port, "/ws/notifications/?token=after") == 101
    # The cluster: each node reaches the other.
    admin = mint_person(1, "admin")
    for node in nodes:

        async def whole(node=node) -> bool:
            reply = await Http(node.port).get("/api/websocket/stats", token=admin.token)
            return reply.status == 200 and len(reply.json()["data"]["perNode"]) == 2

        await until(whole, f"{node.name} to hear of both nodes")
    # Presence: present members stay, arrivals and departures are reported, over both nodes.
    late = await sockets.open(nodes[0].port, mint_person(stranger().id, person.role))
    del late
    await sockets.close(tab)
    await watcher.wait(lambda: person.id in user_ids(watcher, "user_offline"), "the one who went to be missed")
    assert user_ids(watcher, "user_offline").count(person.id) == 1
    if how == "frozen":
        watched.master.signal(signal.SIGCONT)
    await connection.aclose()
