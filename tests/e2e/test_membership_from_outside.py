"""Other programs let the connections of a user join or leave a group: by the admin API, and by Python through Redis."""

import asyncio
import functools
import itertools
import json
import time

import pytest
import redis
import stack
from django.conf import settings
from django.test.utils import override_settings
from rig.client import Client, until
from rig.demo import mint_access, mint_person
from rig.http import Http
from rig.proxy import Proxy
from rig.sio import Sockets
from rig.system import API_KEY

if not settings.configured:
    settings.configure()

import channelgate

#: They wait until every node has answered, on a busy machine too.
join, leave, ajoin, aleave = (
    functools.partial(getattr(channelgate, name), timeout=20) for name in ("join", "leave", "ajoin", "aleave")
)
CHANNEL = "channelgate:control:group"
CONFIG = """
[[consumer]]
name = "board"
path = "/ws/board/"
auth = ["jwt"]
groups = ["user_{{ user.id }}"]
max_rooms = 3
[consumer.on_event.note]
send = "event.text"
[consumer.on_message.watch]
join = "board.{{ message.id }}"
reply = "{'watching': message.id}"
failed = "{'failed': message.id}"
[consumer.on_message.drop]
leave = "board.{{ message.id }}"
reply = "{'dropped': message.id}"

[[consumer]]
name = "chat"
path = "/ws/chat/"
auth = ["jwt"]
groups = ["user_{{ user.id }}"]
[consumer.on_event.note]
send = "event.text"
[consumer.on_message.enter]
join = "chat.{{ message.id }}"

[[consumer]]
name = "open"
path = "/ws/open/"
auth = ["anonymous"]
groups = ["board.1"]
[consumer.on_event.note]
send = "event.text"

[[consumer]]
name = "rooms"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
[consumer.on_event.note]
emit = { event = "note", data = "event.text" }
[consumer.on_message.enter]
join = "session:{{ args[0] }}"
ack = "'in'"
"""
numbers = itertools.count(1000)


@pytest.fixture(scope="module")
def two(module_system):
    """Two nodes, and Python that knows their Redis."""
    for _ in range(2):
        module_system.start_node(wait=False, config=CONFIG)
    module_system.wait()
    with override_settings(CHANNELGATE={"REDIS_URL": module_system.redis_url}):
        yield module_system


@pytest.fixture
def user() -> int:
    """A user of this test alone."""
    return next(numbers)


def opened(node: stack.Part, user, path: str = "/ws/board/"):
    return Client.open(node.port, f"{path}?token={mint_access(user)}")


async def order(node: stack.Part, user, change: str, body, status: int = 200, token: str | None = API_KEY) -> dict:
    """An order through the admin API."""
    reply = await Http(node.port).post(f"/api/websocket/user/{user}/{change}", data=body, token=token)
    assert reply.status == status, reply
    answer = reply.json()
    assert answer["status"] == ("success" if status == 200 else "error") and answer["message"]
    return answer


async def texts(system, groups: list[str], clients: list[Client], user=None) -> list[set[str]]:
    """What each client gets of one note to each group; a note to all of them shows that nothing is under way."""
    mark = f"mark-{next(numbers)}"
    before = [len(client.frames) for client in clients]
    async with system.publisher() as layer:
        for group in groups:
            await layer.group_send(group, {"type": "note", "text": group})
        await layer.group_send(f"user_{user}", {"type": "note", "text": mark})
    for client in clients:
        await client.wait(lambda client: f'"{mark}"' in client.frames, "the mark")
    return [
        {text for text in map(json.loads, client.frames[start:]) if isinstance(text, str)} - {mark}
        for client, start in zip(clients, before, strict=True)
    ]


async def test_all_connections_of_a_user_join_and_leave_on_every_node(two, user):
    boards = [await opened(node, user) for node in two.nodes for _ in range(2)]
    chat = await opened(two.nodes[1], user, "/ws/chat/")
    stranger = await opened(two.nodes[0], f"{user}0")
    clients = [*boards, chat]
    answer = await order(two.nodes[0], user, "join", {"group": "board.7"})
    # A chat never has this group.
    assert answer == {
        "status": "success",
        "message": "4 connections joined the group",
        "data": {"userId": str(user), "group": "board.7", "connections": 5, "joined": 4, "refused": 0},
        "silent": [],
    }
    assert await texts(two, ["board.7", "chat.7"], clients, user) == [{"board.7"}] * 4 + [set()]
    # Again: nothing changes, and nobody gets anything twice.
    assert (await order(two.nodes[1], user, "join", {"group": "board.7"}))["data"]["joined"] == 4
    assert await texts(two, ["board.7"], clients, user) == [{"board.7"}] * 4 + [set()]
    assert sum(frame == '"board.7"' for frame in boards[0].frames) == 2
    # One consumer by its name, also for a group that its configuration does not name.
    answer = await order(two.nodes[0], user, "join", {"group": "news", "consumer": "chat"})
    assert answer["data"] | {"userId": "", "group": ""} == {
        "userId": "",
        "group": "",
        "connections": 5,
        "joined": 1,
        "refused": 0,
    }
    assert (await order(two.nodes[0], user, "join", {"group": "news"}))["data"]["joined"] == 0
    assert await texts(two, ["board.7", "news"], clients, user) == [{"board.7"}] * 4 + [{"news"}]
    answer = await order(two.nodes[1], user, "leave", {"group": "board.7", "consumer": "chat"})
    assert answer["data"]["left"] == 0
    answer = await order(two.nodes[1], user, "leave", {"group": "board.7"})
    assert (answer["data"]["connections"], answer["data"]["left"], answer["silent"]) == (5, 4, [])
    assert answer["message"] == "4 connections left the group"
    assert await texts(two, ["board.7", "news"], clients, user) == [set()] * 4 + [{"news"}]
    assert stranger.frames == []
    # The client's own join afterwards is its own.
    await boards[0].send({"type": "watch", "id": 7})
    await boards[0].wait(lambda client: '{"watching":7}' in client.frames, "the join")
    assert (await texts(two, ["board.7"], clients, user))[:2] == [{"board.7"}, set()]
    for client in (*clients, stranger):
        await client.close()


async def test_a_group_that_the_configuration_joins_is_left_too(two, user):
    client = await opened(two.nodes[0], user)
    assert (await order(two.nodes[1], user, "leave", {"group": f"user_{user}"}))["data"]["left"] == 1
    assert (await order(two.nodes[1], user, "join", {"group": "board.1"}))["data"]["joined"] == 1
    async with two.publisher() as layer:
        await layer.group_send(f"user_{user}", {"type": "note", "text": "lost"})
        await layer.group_send("board.1", {"type": "note", "text": "seen"})
    assert await client.count(1) == ["seen"]
    await client.close()


async def test_python_orders_the_same_without_http(two, user):
    clients = [await opened(node, user) for node in two.nodes]
    in_thread = [functools.partial(asyncio.to_thread, function) for function in (join, leave)]
    for do_join, do_leave in (in_thread, (ajoin, aleave)):
        done = await do_join(user, "board.8")
        assert (done.connections, done.changed, done.refused, done.nodes, done.silent) == (2, 2, 0, 2, 0)
        assert await texts(two, ["board.8"], clients, user) == [{"board.8"}] * 2
        assert (await do_join(str(user), "news", consumer="chat")).changed == 0
        done = await do_leave(str(user), "board.8")
        assert (done.connections, done.changed, done.nodes, done.silent) == (2, 2, 2, 0)
        assert await texts(two, ["board.8"], clients, user) == [set()] * 2
        nobody = await do_leave(f"{user}1", "board.8")
        assert (nobody.connections, nobody.changed, nobody.nodes) == (0, 0, 2)
        with pytest.raises(ValueError, match="consumer: No consumer is named"):
            await do_join(user, "board.8", consumer="baord")
        with pytest.raises(ValueError, match="join: "):
            await do_join(user, "x" * 100)
    # Nothing of it stays in Redis but the record, which ends.
    with redis.Redis.from_url(two.redis_url) as connection:
        assert connection.keys("channelgate:answer:*") == []
        assert 0 < connection.pttl("channelgate:group_orders") <= 3_600_000
    for client in clients:
        await client.close()


async def test_an_order_by_hand_is_answered_and_a_node_that_does_not_answer_is_named(two, user):
    client = await opened(two.nodes[0], user)
    with redis.Redis.from_url(two.redis_url, decode_responses=True) as connection:
        answers = f"channelgate:answer:by-hand-{user}"
        by_hand = {"user": user, "join": "board.6", "consumer": "board", "id": f"by-hand-{user}", "answer": answers}
        assert connection.publish(CHANNEL, json.dumps(by_hand)) == 2
        await until(lambda: connection.llen(answers) == 2, "the answers of both nodes")
        done = [json.loads(line) for line in connection.lrange(answers, 0, -1)]
        assert len({one["node"] for one in done}) == 2
        assert sorted((one["result"] for one in done), key=lambda one: one["changed"]) == [
            {"connections": 0, "changed": 0, "failed": 0},
            {"connections": 1, "changed": 1, "failed": 0},
        ]
        assert 0 < connection.pttl(answers) <= 30_000
        # The same order again is the same order.
        assert (await aleave(user, "board.6")).changed == 1
        assert connection.publish(CHANNEL, json.dumps(by_hand)) == 2
        await until(lambda: connection.llen(answers) == 4, "the answers of both nodes")
        assert await texts(two, ["board.6"], [client], user) == [set()]
        # Somebody listens as a node does, and does not answer.
        with connection.pubsub() as listener:
            listener.subscribe(CHANNEL)
            await until(lambda: connection.pubsub_numsub(CHANNEL)[0][1] == 3, "the listener to be there")
            # In this time both nodes answer, on a busy machine too.
            began = time.monotonic()
            done = await ajoin(user, "board.6", timeout=5)
            assert time.monotonic() - began >= 5
            assert (done.changed, done.nodes, done.silent) == (1, 2, 1)
            # Nor is it an error for a project whose connections wait less long than the order.
            with override_settings(CHANNELGATE={"REDIS_URL": {"address": two.redis_url, "socket_timeout": 1}}):
                in_thread = asyncio.to_thread(leave, user, "board.6", timeout=5)
                for done in await asyncio.gather(aleave(user, "board.6", timeout=5), in_thread):
                    assert (done.nodes, done.silent) == (2, 1)
    await client.close()


async def test_nothing_that_is_sent_after_a_leave_arrives_and_all_that_was_sent_before_does(two, user):
    clients = [await opened(node, user) for node in two.nodes for _ in range(3)]
    async with two.publisher() as layer:
        for turn in range(25):
            assert (await ajoin(user, "board.9")).changed == 6
            for number in range(3):
                await layer.group_send("board.9", {"type": "note", "text": f"{turn}.{number}"})
            if turn % 2:
                assert (await aleave(user, "board.9")).changed == 6
            else:
                assert (await order(two.nodes[turn % 4 // 2], user, "leave", {"group": "board.9"}))["data"]["left"] == 6
            await layer.group_send("board.9", {"type": "note", "text": "secret"})
    await texts(two, ["board.9"], clients, user)
    expected = [f"{turn}.{number}" for turn in range(25) for number in range(3)]
    for client in clients:
        assert [json.loads(frame) for frame in client.frames][:-1] == expected
        await client.close()


async def test_a_burst_just_before_a_leave_arrives_completely(two, user):
    """The order overtakes nothing, although it takes another way to the nodes."""
    clients = [await opened(node, user) for node in two.nodes]
    assert (await ajoin(user, "board.5")).changed == 2
    answers = f"channelgate:answer:burst-{user}"
    by_hand = {"user": user, "leave": "board.5", "id": f"burst-{user}", "answer": answers}
    with redis.Redis.from_url(two.redis_url) as connection:
        burst = connection.pipeline(transaction=True)
        for number in range(400):
            burst.publish("channelgate:board.5", json.dumps({"type": "note", "text": f"{number}"}))
        burst.publish(CHANNEL, json.dumps(by_hand))
        burst.execute()
        await until(lambda: connection.llen(answers) == 2, "the answers of both nodes", pause=0.001)
        connection.publish("channelgate:board.5", json.dumps({"type": "note", "text": "secret"}))
    await texts(two, [], clients, user)
    for client in clients:
        assert [json.loads(frame) for frame in client.frames][:-1] == [f"{number}" for number in range(400)]
        await client.close()


async def test_orders_at_the_same_time_leave_all_nodes_in_one_state(two, user):
    """The last order that is answered decides, for the client's own joins as well."""
    clients = [await opened(node, user) for node in two.nodes]
    for turn in range(10):
        changes = [ajoin(user, "board.3") if (turn + number) % 2 else aleave(user, "board.3") for number in range(6)]
        await asyncio.gather(*changes, *(client.send({"type": "watch", "id": 3}) for client in clients))
        await aleave(user, "board.3")
        await texts(two, [], clients, user)
        await aleave(user, "board.3")
        assert await texts(two, ["board.3"], clients, user) == [set()] * 2
        await ajoin(user, "board.3")
        assert await texts(two, ["board.3"], clients, user) == [{"board.3"}] * 2
    for client in clients:
        await client.close()


async def test_rooms_of_socketio_are_named_as_clients_join_them(two, user, driver):
    sockets = Sockets(driver, "js-websocket")
    clients = [await (await sockets.start(node.port, mint_access(user))).opened() for node in two.nodes]
    polling = await (await sockets.start(two.nodes[0].port, mint_access(user), kind="js-polling")).opened()
    clients.append(polling)
    answer = await order(two.nodes[0], user, "join", {"group": "session:7"})
    assert (answer["data"]["connections"], answer["data"]["joined"]) == (3, 3)
    rooms = (
        await Http(two.nodes[0].port).get(f"/api/websocket/user/{user}/rooms", token=mint_person(1, "admin").token)
    ).json()
    assert rooms["data"]["sockets"] == []
    async with two.publisher() as layer:
        await layer.group_send("session.7", {"type": "note", "text": "first"})
        for client in clients:
            assert await client.data("note") == "first"
        assert (await aleave(user, "session:7")).changed == 3
        await layer.group_send("session.7", {"type": "note", "text": "lost"})
        assert (await ajoin(user, "session:8")).changed == 3
        await layer.group_send("session.8", {"type": "note", "text": "second"})
    for client in clients:
        assert await client.data("note", 2) == "second"
    await sockets.close_all()


async def test_a_connection_has_no_more_rooms_than_its_consumer_permits(two, user):
    client = await opened(two.nodes[0], user)
    for number in range(3):
        assert (await ajoin(user, f"board.{number}")).changed == 1
    answer = await order(two.nodes[1], user, "join", {"group": "board.3"})
    assert (answer["data"]["joined"], answer["data"]["refused"]) == (0, 1)
    # One that it is in already is not one more.
    assert (await ajoin(user, "board.2")).refused == 0
    await client.send({"type": "watch", "id": 4})
    assert await client.count(1) == [{"failed": 4}]
    assert (await aleave(user, "board.0")).changed == 1
    assert (await ajoin(user, "board.3")).changed == 1
    assert two.metric(two.nodes[0], "channelgate_group_orders_total", outcome="refused") == 1
    await client.close()


async def test_a_client_without_a_user_is_never_meant(two):
    client = await Client.open(two.nodes[0].port, "/ws/open/")
    for user in ("", "None", "null", "anonymous"):
        if user:
            assert (await aleave(user, "board.1")).connections == 0
    async with two.publisher() as layer:
        await layer.group_send("board.1", {"type": "note", "text": "here"})
    assert await client.count(1) == ["here"]
    await client.close()


async def test_bad_input_names_its_field(two, user):
    node = two.nodes[0]
    client = await opened(node, user)
    for change in ("join", "leave"):
        for field, bodies in {
            "body": [[], "text", 7, None],
            "group": [{}, {"group": None}, {"group": ""}, {"group": 7}, {"group": ["a"]}, {"group": "x" * 100}],
            "consumer": [{"group": "a", "consumer": value} for value in ("", 7, "baord", "x" * 300)],
            "user": [{"group": "a", "user": 7}],
            "grup": [{"grup": "a"}],
        }.items():
            for body in bodies:
                answer = await order(node, user, change, body, 400)
                assert answer["field"] == field, body
                assert field not in ("group",) or change not in answer["message"].split(), answer
        assert (await order(node, user, change, {"group": "a", "consumer": "baord"}, 400))["message"].endswith(
            'No consumer is named "baord"; did you mean "board"?'
        )
        assert (await order(node, "x" * 300, change, {"group": "a"}, 400))["field"] == "user"
        reply = await Http(node.port).post(f"/api/websocket/user/{user}/{change}", body=b"{", token=API_KEY)
        assert (reply.status, reply.json()["field"]) == (400, "body")
        assert (await Http(node.port).get(f"/api/websocket/user/{user}/{change}", token=API_KEY)).status == 405
        assert (await order(node, f"{user}9", change, {"group": "board.1"}))["data"]["connections"] == 0
    bad = [
        b"",
        b"[]",
        b"\xff",
        b'{"user": 7, "leave": "a"}',
        b'{"user": 7, "leave": "a", "id": "1", "answer": 7, "x": 1}',
        b'{"user": 7, "leave": "x' + b"x" * 40_000 + b'", "id": "1"}',
    ]
    before = two.metric(node, "channelgate_group_orders_total", outcome="malformed")
    with redis.Redis.from_url(two.redis_url) as connection:
        # A list that is not for answers is left alone.
        connection.rpush("precious", "x")
        for payload in bad:
            assert connection.publish(CHANNEL, payload) == 2
        valid = {"user": user, "leave": "board.1", "id": "by-hand-1", "answer": "precious"}
        assert connection.publish(CHANNEL, json.dumps(valid)) == 2
        await until(
            lambda: two.metric(node, "channelgate_group_orders_total", outcome="malformed") == before + len(bad),
            "all of them to be counted",
        )
        assert connection.lrange("precious", 0, -1) == [b"x"]
    assert await texts(two, [], [client], user) == [set()]
    await client.close()


async def test_only_admins_and_publishers_may_order(two, user):
    node = two.nodes[0]
    client = await opened(node, user)
    body = {"group": "board.1"}
    for change in ("join", "leave"):
        for token in (None, "noise", API_KEY + "x", mint_person(1, "admin").token + "x"):
            await order(node, user, change, body, 401, token)
        for role in ("user", "Admin", ""):
            await order(node, user, change, body, 403, mint_person(2, role).token)
        # The order is not read before the access check.
        await order(node, user, change, [], 401, None)
    assert (await order(node, user, "join", body, token=mint_person(1, "admin").token))["data"]["joined"] == 1
    assert (await order(node, user, "leave", body, token=API_KEY))["data"]["left"] == 1
    foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    reply = await Http(node.port).post(f"/api/websocket/user/{user}/leave", data=body, token=API_KEY, headers=foreign)
    assert reply.status == 403
    await client.close()


ASKING = """
[backend]
url = "http://127.0.0.1:{port}/"
timeout = "60s"
[limits]
admission_timeout = "60s"

[[consumer]]
path = "/ws/asking/"
name = "asking"
auth = ["jwt"]
groups = ["board.1", "user_{{ user.id }}"]
[consumer.on_admit.call]
action = "look"
[consumer.on_event.note]
send = "event.text"
[consumer.on_message.watch.call]
action = "look"
[consumer.on_message.watch.call.ok]
join = "board.5"
failed = "{'failed': 5}"
reply = "{'watching': 5}"

[[consumer]]
name = "asking-rooms"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
groups = ["board.1", "user_{{ user.id }}"]
[consumer.on_admit.call]
action = "look"
[consumer.on_event.note]
emit = { event = "note", data = "event.text" }
"""


class Backend:
    """Answers when it is permitted to."""

    def __init__(self):
        self.asked = 0
        self.may = asyncio.Event()

    async def start(self) -> int:
        port = stack.free_port()
        self.server = await asyncio.start_server(self.serve, stack.LOOPBACK, port)
        return port

    async def serve(self, reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await self.may.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()


async def test_an_admission_that_began_before_an_order_ends_as_ordered(system, driver):
    """Django was asked before the user lost one group and got another."""
    backend = Backend()
    port = await backend.start()
    node = system.start_node(config=ASKING.replace("{port}", str(port)))
    sockets = Sockets(driver, "js-websocket")
    opening = [asyncio.create_task(opened(node, 7, "/ws/asking/")) for _ in range(3)]
    clients = [await sockets.start(node.port, mint_access(7)) for _ in range(2)]
    await until(lambda: backend.asked == 5, "all clients to be asked about")
    with override_settings(CHANNELGATE={"REDIS_URL": system.redis_url}):
        await aleave(7, "board.1")
        await ajoin(7, "board.2", consumer="asking")
        await ajoin(7, "board.2", consumer="asking-rooms")
        await ajoin(7, "board.3", consumer="asking")
        await aleave(7, "board.3")
    backend.may.set()
    plain = [await task for task in opening]
    for client in clients:
        await client.opened()

    async def all_joined() -> bool:
        with override_settings(CHANNELGATE={"REDIS_URL": system.redis_url}):
            done = await aleave(7, "nothing")
        async with system.publisher() as layer:
            await layer.group_send("board.2", {"type": "note", "text": "two"})
        return (
            done.connections == 5
            and all('"two"' in client.frames for client in plain)
            and all(client.all("note") for client in clients)
        )

    await until(all_joined, "the group that was ordered meanwhile", pause=0.1)
    async with system.publisher() as layer:
        for group in ("board.1", "board.3"):
            await layer.group_send(group, {"type": "note", "text": "secret"})
        await layer.group_send("user_7", {"type": "note", "text": "end"})
    for client in plain:
        await client.wait(lambda client: '"end"' in client.frames, "the end")
        assert '"secret"' not in client.frames
        await client.close()
    for client in clients:
        await client.wait(lambda client=client: ["end"] in client.all("note"), "the end")
        assert ["secret"] not in client.all("note")
    await sockets.close_all()
    backend.server.close()


async def test_a_handler_that_asked_before_the_user_had_to_leave_does_not_join(system):
    backend = Backend()
    port = await backend.start()
    backend.may.set()
    node = system.start_node(config=ASKING.replace("{port}", str(port)))
    client = await opened(node, 7, "/ws/asking/")
    backend.may.clear()
    await client.send({"type": "watch"})
    await until(lambda: backend.asked == 2, "the handler to ask")
    with override_settings(CHANNELGATE={"REDIS_URL": system.redis_url}):
        await aleave(7, "board.5")
    backend.may.set()
    assert await client.count(1) == [{"failed": 5}]
    # One that asks afterwards does.
    await client.send({"type": "watch"})
    assert await client.count(2) == [{"failed": 5}, {"watching": 5}]
    await client.close()
    backend.server.close()


async def test_a_node_that_was_cut_off_learns_of_group_orders_later(system):
    far = await Proxy.start(system.redis.port)
    url = f"redis://{stack.LOOPBACK}:{far.port}/0"
    near = system.start_node(config=CONFIG)
    # In a thread, because the proxy must be served meanwhile.
    node = await asyncio.to_thread(system.start_node, config=CONFIG, REDIS_URL=url)
    with override_settings(CHANNELGATE={"REDIS_URL": system.redis_url}):
        stays, goes = await opened(node, 8), await opened(node, 7)
        for user in (7, 8):
            assert (await ajoin(user, "board.1")).changed == 1
        await far.cut()
        answer = await order(near, 7, "leave", {"group": "board.1"})
        assert answer["data"]["left"] == 0 and len(answer["silent"]) == 1
        await ajoin(7, "board.2")
        # The last order counts, also if one of the two is for a single consumer.
        await ajoin(7, "board.3", consumer="board")
        await aleave(7, "board.3")
        await ajoin(7, "board.4")
        await aleave(7, "board.4", consumer="board")
        await aleave(8, "board.1")
        await ajoin(8, "board.1", consumer="board")
        await far.mend()
        await until(
            lambda: system.metric(node, "channelgate_group_orders_total", outcome="late") >= 3, "all orders to be late"
        )
        await until(lambda: Http(node.port).request_now("GET", "/health/ready").status == 200, "the node to be ready")
        async with system.publisher() as layer:
            for board in (3, 4, 1, 2):
                await layer.group_send(f"board.{board}", {"type": "note", "text": f"{board}"})
        assert await goes.count(1) == ["2"]
        assert await stays.count(1) == ["1"]
        for client in (stays, goes):
            await client.close()
    await far.cut()


async def test_while_redis_is_away_an_order_is_an_error_and_an_order_that_no_node_hears_is_kept(system):
    node = system.start_node(config=CONFIG)
    client = await opened(node, 7)
    with override_settings(CHANNELGATE={"REDIS_URL": system.redis_url}):
        assert (await ajoin(7, "board.1")).changed == 1
        node.stop(grace=5)
        done = await aleave(7, "board.1")
        assert (done.nodes, done.silent, done.connections) == (0, 0, 0)
        with redis.Redis.from_url(system.redis_url) as connection:
            (newest,) = connection.zrevrange("channelgate:group_orders", 0, 0)
            assert json.loads(newest).keys() == {"user", "leave", "id"}
        await client.gone()
        again = system.start_node(config=CONFIG)
        system.redis.stop(grace=5)
        began = time.monotonic()
        answer = await order(again, 7, "leave", {"group": "board.1"}, 503)
        assert "The other nodes cannot be asked" in answer["message"]
        for change in (ajoin, aleave):
            with pytest.raises(redis.RedisError):
                await change(7, "board.1")
        assert time.monotonic() - began < 20


async def test_a_node_without_redis_changes_its_own_clients(system):
    node = system.start_node(config=CONFIG, REDIS_URL="")
    client = await opened(node, 7)
    assert (await order(node, 7, "join", {"group": "board.1"}))["data"]["joined"] == 1
    post = Http(node.port).post

    async def publish(text: str) -> None:
        body = {"group": "board.1", "event": {"type": "note", "text": text}}
        assert (await post("/api/publish", data=body, token=API_KEY)).status == 200

    await publish("seen")
    assert await client.count(1) == ["seen"]
    assert (await order(node, 7, "leave", {"group": "board.1"}))["data"]["left"] == 1
    await publish("lost")
    assert (await order(node, 7, "join", {"group": "board.1"}))["data"]["joined"] == 1
    await publish("again")
    assert await client.count(2) == ["seen", "again"]
    await client.close()
