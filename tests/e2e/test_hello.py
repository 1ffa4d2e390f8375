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
