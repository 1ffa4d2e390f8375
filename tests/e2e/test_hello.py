"""What clients get that ask with `cg`: hello, gaps and readable refusals; and that others get what they always got."""

import asyncio
import itertools
import json
import signal

import stack
from rig.client import Client, until
from rig.demo import mint_access, mint_person
from rig.http import Http
from rig.log import whole_log
from rig.reference import Reference
from rig.system import API_KEY

#: Consumers with a hello, for every protocol but Socket.IO.
BUSY = """
[[consumer]]
path = "/ws/busy/"
groups = ["busy"]
[consumer.hello]
when = "query.cg == '1'"
send = "{'hello': node, 'id': id, 'path': query.get('n')}"
[consumer.on_connect]
reply = "{'connected': node}"
[consumer.on_message.where]
reply = "{'here': node}"
[consumer.on_event.tick]
send = "{'n': event.n, 'node': node}"

[[consumer]]
path = "/ws/broken/"
auth = ["jwt", "anonymous"]
[consumer.hello]
send = "{'hello': user.name}"
[consumer.on_connect]
reply = "'open'"

[[consumer]]
path = "/engine/"
protocol = "engine.io"
[consumer.hello]
when = "query.cg == '1'"
send = "{'hello': node, 'id': id}"
[consumer.on_connect]
reply = "'open'"
"""


async def test_hello_is_the_first_frame_however_busy_the_group_is(bus):
    node = bus.start_node(config=BUSY, CHANNELGATE__CLUSTER__NAME="gate-1")
    done = asyncio.Event()
    witness = await Client.open(node.port, "/ws/busy/?cg=0")
    async with bus.publisher() as publisher:

        async def publish() -> None:
            for number in itertools.count():
                if done.is_set():
                    return
                await publisher.group_send("busy", {"type": "tick", "n": number})
                # Always some under way, and never more than the machine can deliver: a node that is seconds behind its
                # channel layer refuses clients.
                await witness.count_of(number - 100)

        publishing = asyncio.create_task(publish())
        for number in range(25):
            asking = await Client.open(node.port, f"/ws/busy/?cg=1&n={number}")
            silent = await Client.open(node.port, f"/ws/busy/?cg=0&n={number}")
            await asking.count(4)
            await silent.count(3)
            hello, *frames = asking.json()
            assert hello.keys() == {"hello", "id", "path"} and hello["path"] == str(number)
            for first, *ticks in (frames, silent.json()):
                assert first == {"connected": "gate-1"}
                assert [tick["n"] for tick in ticks] == list(range(ticks[0]["n"], ticks[0]["n"] + len(ticks)))
                assert {tick["node"] for tick in ticks} == {"gate-1"}
            await asking.close()
            await silent.close()
        done.set()
        await publishing
    await witness.close()
    client = await Client.open(node.port, "/ws/busy/")
    await client.send({"type": "where"})
    assert await client.count(2) == [{"connected": "gate-1"}, {"here": "gate-1"}]
    await client.close()


async def test_a_hello_that_cannot_be_made_is_left_out_and_the_client_admitted(system):
    node = system.start_node(config=BUSY)
    client = await Client.open(node.port, "/ws/broken/")
    assert await client.count(1) == ["open"]
    named = await Client.open(node.port, f"/ws/broken/?token={mint_access(7, name='Ann')}")
    assert await named.count(2) == [{"hello": "Ann"}, "open"]
    assert "/ws/broken/: cannot send a hello" in whole_log(node)
    for one in (client, named):
        await one.close()


async def test_the_name_of_a_node_is_its_id_unless_it_has_one_and_a_reload_keeps_it(system):
    node = system.start_node(config=BUSY)
    client = await Client.open(node.port, "/ws/busy/?cg=1")
    (hello, _) = await client.count(2)
    stats = await Http(node.port).get("/api/websocket/stats", token=mint_access(1, role="admin"))
    assert [one["node"] for one in stats.json()["data"]["perNode"]] == [hello["hello"]]
    file = system.directory / f"{node.name}.toml"
    file.write_text(BUSY.replace("'here': node", "'now': node") + '\n[cluster]\nname = "later"\n')
    node.signal(signal.SIGHUP)
    await until(lambda: system.metric(node, "channelgate_reloads_total", outcome="applied") == 1, "the reload")
    assert "cluster.name: takes effect at the next start" in whole_log(node)
    after = await Client.open(node.port, "/ws/busy/?cg=1")
    await after.send({"type": "where"})
    frames = await after.count(3)
    assert frames[0]["hello"] == hello["hello"] and frames[2] == {"now": hello["hello"]}
    for one in (client, after):
        await one.close()


async def test_the_id_of_a_hello_finds_the_connection_and_others_have_none(system):
    node = system.start_node(config=BUSY)
    clients = [await Client.open(node.port, "/ws/busy/?cg=1") for _ in range(3)]
    ids = [(await client.count(2))[0]["id"] for client in clients]
    assert len(set(ids)) == 3
    order = {"socket": ids[1], "reason": "by its id"}
    reply = await Http(node.port).post("/api/websocket/disconnect", data=order, token=API_KEY)
    assert reply.json()["data"] == {"sockets": 1}
    assert await clients[1].gone() == (4403, "by its id")
    assert clients[0].closed is None and clients[2].closed is None
    for client in (clients[0], clients[2]):
        await client.close()


async def test_an_engine_io_client_is_greeted_too(system):
    node = system.start_node(config=BUSY, CHANNELGATE__CLUSTER__NAME="gate-1")
    for query, expected in (("&cg=1", ["hello", "open"]), ("", ["open"])):
        client = await Client.open(node.port, f"/engine/?EIO=4&transport=websocket{query}")
        await client.count_of(1 + len(expected))
        first, *frames = client.frames
        assert first.startswith("0{")
        said = [json.loads(frame[1:]) for frame in frames]
        assert [one if isinstance(one, str) else next(iter(one)) for one in said] == expected
        await client.close()


async def test_a_socket_of_several_consumers_gets_one_hello_and_one_notice_for_a_gap(bus, clients):
    node = bus.start_node(CHANNELGATE__CLUSTER__NAME="gate-1")
    token = mint_person(7).token
    asking = await clients.open(node.port, auth={"token": token, "cg": 1})
    silent = await clients.open(node.port, auth={"token": token})
    text = await clients.open(node.port, auth={"token": token, "cg": "1"})
    others = [
        await clients.open(node.port, auth={"token": token, "cg": cg}) for cg in (None, 0, 2, "yes", [1], {"cg": 1})
    ]
    assert await asking.data("hello") == {"node": "gate-1", "id": asking.id, "v": 1}
    assert await text.data("hello") == {"node": "gate-1", "id": text.id, "v": 1}
    stack.redis_command(bus.redis.port, "CLIENT KILL TYPE pubsub")
    assert await asking.data("gap") == {"reason": "reconnected", "groups": None}
    async with bus.publisher() as publisher:
        for number in range(3):
            await publisher.group_send("user_7", {"type": "notification_count_updated", "unread": number})
        for socket in (asking, silent, text):
            await socket.args("notification_count_updated", 3)
    assert asking.events[0].name == "hello" and asking.names("hello", "gap").count("hello") == 1
    assert asking.names("hello", "gap") == text.names("hello", "gap")
    for socket in (silent, *others):
        await socket.args("notification_count_updated", 3)
        assert socket.names("hello", "gap") == []


async def test_a_token_beside_cg_is_in_no_log(system, clients):
    node = system.start_node(RUST_LOG="debug")
    token, wrong = mint_person(7).token, mint_person(7).token[:-4] + "AAAA"
    socket = await clients.open(node.port, auth={"token": token, "cg": 1})
    await socket.args("hello")
    refused = await clients.start(node.port, auth={"token": wrong, "cg": 1})
    assert (await refused.refused())["message"] == "Authentication error"
    plain = await Client.open(node.port, f"/ws/notifications/?cg=1&token={wrong}")
    assert await plain.gone() == (4401, "no valid token")
    log = whole_log(node)
    assert "DEBUG" in log
    for secret in (token, wrong, token.split(".")[2], wrong.split(".")[2]):
        assert secret not in log


async def parking(node, query: str, *names: str) -> Client:
    """A client of the parking system with these subscriptions."""
    reply = await Http(node.port).get("/api/user/ws-token/", token=mint_access(7))
    client = await Client.open(node.port, f"/ws/notifications/?token={reply.json()['ws_token']}{query}")
    await client.send({"type": "subscribe", "notification_types": list(names)})
    await client.send("ping")
    await client.wait(lambda client: "pong" in client.frames, "the answer that comes after the subscription")
    client.frames = client.frames[client.frames.index("pong") + 1 :]
    return client


async def test_a_parking_client_that_asks_learns_the_topic_of_a_frame_and_others_get_the_same_bytes_as_ever(bus):
    node = bus.start_node(config='presets = ["parking"]\n')
    asking = [await parking(node, "&cg=1", "reservation", "7"), await parking(node, "&cg=1", "lot")]
    silent = [await parking(node, query, "reservation", "7") for query in ("", "&cg=0", "&cg=true", "&cg=", "&gaps=1")]
    events = [
        {"type": "new_reservation", "message": "m", "data": {"topic": 1, "type": "gap"}},
        {"type": "new_parking_lot", "message": "m", "data": {}},
        {"type": "send_notification", "notification_type": "reservation_expired", "message": "m"},
        {"type": "send_notification", "notification_type": 7, "data": {"reason": "x", "groups": None}},
        # An event of the application may have a key of that name; it is not sent.
        {"type": "reservation", "topic": "of the application", "message": "last"},
    ]
    async with bus.publisher() as publisher:
        for number in range(20):
            for event in events:
                await publisher.group_send("notifications", event)
            await publisher.group_send("user_7", {"type": "new_reservation", "message": f"{number}"})
    plain = [
        '{"type":"notification","message":"m","data":{"topic":1,"type":"gap"}}',
        '{"type":"notification","message":"m","data":{}}',
        '{"type":"notification","message":"","data":{"reason":"x","groups":null}}',
        '{"type":"notification","message":"last","data":{}}',
    ]
    topics = ["new_reservation", "reservation_expired", "7", "reservation"]
    named = [f'{frame[:-1]},"topic":"{topic}"}}' for frame, topic in zip(plain, topics, strict=True)]
    own = '{"type":"notification","message":"%d","data":{}}'
    for client, expected, own_topic in [
        (asking[0], named, ',"topic":"new_reservation"}'),
        *((client, plain, "}") for client in silent),
    ]:
        await client.count_of(20 * (len(expected) + 1))
        of_user = [f"{own % number}"[:-1] + own_topic for number in range(20)]
        # Groups have no order among each other.
        assert [frame for frame in client.frames if frame in of_user] == of_user
        assert [frame for frame in client.frames if frame not in of_user] == expected * 20
    await asking[1].count_of(20)
    assert asking[1].frames == ['{"type":"notification","message":"m","data":{},"topic":"new_parking_lot"}'] * 20
    assert bus.metric(node, "channelgate_drops_total", reason="mapping") == 0
    for client in (*asking, *silent):
        await client.close()


#: Events of an application that have names and keys of the protocol.
ODD = [
    {"type": "gap"},
    {"type": "gap", "from": 10, "to": 12},
    {"type": "gap", "reason": "closed for lunch", "groups": None},
    {"type": "gap", "reason": 7, "groups": [1]},
    {"type": "hello", "node": "another", "id": "x", "v": 1},
    {"type": "pong"},
    {"type": "price", "gap": {"reason": "capacity", "groups": None}, "hello": 1, "pong": "pong"},
    {"type": "price", "data": {"type": "gap", "reason": "capacity", "groups": None}},
    {"type": "position", "position": 1, "resume": True},
]
#: A consumer that sends events as they are, and says hello and tells gaps to clients that ask.
BARE = """
[[consumer]]
path = "/ws/odd/"
groups = ["odd"]
[consumer.hello]
when = "query.cg == '1'"
send = "{'type': 'hello', 'node': node, 'id': id, 'v': 1}"
[consumer.on_gap]
when = "query.cg == '1'"
send = "{'type': 'gap', 'reason': gap.reason, 'groups': gap.groups}"
[consumer.on_event."*"]
send = "event"
[consumer.on_raw.ping]
reply_raw = "'pong'"
"""


async def test_events_named_like_the_nodes_notices_arrive_as_they_are_and_are_not_taken_for_them(bus):
    node = bus.start_node(config=BARE, CHANNELGATE__CLUSTER__NAME="gate-1")
    asking = await Client.open(node.port, "/ws/odd/?cg=1")
    silent = await Client.open(node.port, "/ws/odd/")
    reference = Reference(f"ws://127.0.0.1:{node.port}/ws/odd/").start()
    await until(lambda: reference.hello, "the hello")
    async with bus.publisher() as publisher:
        for event in ODD:
            await publisher.group_send("odd", event)
        await until(lambda: len(reference.events) == len(ODD), "all events")
        assert (reference.recovery, reference.missed) == ("live", [])
        assert (reference.hello["node"], len(reference.hellos)) == ("gate-1", 1)
        # Among them the node's own notice is one.
        before = bus.metric(node, "channelgate_gaps_total", reason="reconnected")
        stack.redis_command(bus.redis.port, "CLIENT KILL TYPE pubsub")
        await until(lambda: bus.metric(node, "channelgate_gaps_total", reason="reconnected") > before, "the gap")
        await until(lambda: reference.missed, "the notice")
        for event in ODD:
            await publisher.group_send("odd", event)
    await silent.count_of(2 * len(ODD))
    assert silent.json() == ODD * 2
    await asking.wait(lambda client: sum(frame in ODD for frame in client.json()) == 2 * len(ODD), "the same")
    hello, *frames = asking.json()
    notices = [frame for frame in frames if frame not in ODD]
    assert hello["node"] == "gate-1" and [frame for frame in frames if frame in ODD] == ODD * 2
    assert notices == [{"type": "gap", "reason": "reconnected", "groups": None}] * len(notices)
    await until(lambda: len(reference.events) == 2 * len(ODD) + len(notices), "all events again")
    assert reference.missed == ["gap"] * len(notices)
    await reference.stop()
    for client in (asking, silent):
        await client.close()


async def test_events_named_like_the_notices_of_socketio_arrive_as_they_are(bus, clients):
    node = bus.start_node(config='presets = ["tracker"]\n', CHANNELGATE__CLUSTER__NAME="gate-1")
    token = mint_person(7).token
    asking = await clients.open(node.port, auth={"token": token, "cg": 1})
    silent = await clients.open(node.port, auth={"token": token})

    async def fresh() -> str:
        return token

    reference = Reference(f"ws://127.0.0.1:{node.port}/socket.io/", socketio=True, token=fresh).start()
    await until(lambda: reference.hello, "the hello")
    own = [
        ("gap", {"from": 10, "to": 12}),
        ("gap", "capacity"),
        ("gap", {"reason": "closed for lunch", "groups": None}),
        ("hello", {"node": "another", "id": "x", "v": 1}),
        ("pong", {"reason": "capacity"}),
        ("price", {"type": "gap", "reason": "capacity", "groups": None}),
    ]
    async with bus.publisher() as publisher:
        for event, data in own:
            await publisher.group_send("user_7", {"type": "emit", "event": event, "data": data})
    await until(lambda: len(reference.events) == len(own), "all events")
    assert reference.events == own and (reference.recovery, reference.missed) == ("live", [])
    assert (reference.hello["node"], len(reference.hellos)) == ("gate-1", 1)
    for socket, before in ((asking, 1), (silent, 0)):
        await socket.args("price")
        got = [(event.name, *event.args) for event in socket.events]
        assert got[before:] == own and [name for name, _ in got[:before]] == ["hello"] * before
    await reference.stop()
