"""Namespaces with parameters, as `io.of(/regex/)` has them: the same scenario on Node's Socket.IO and on a node.

What only a node has follows: emitters in Redis, Django's groups, the admin API, the tail, metrics, limits.
"""

import asyncio
import json

import pytest
import stack
from rig.client import Client, until
from rig.demo import mint_access, mint_person
from rig.driver import Driver
from rig.http import Http
from rig.sio import Sockets
from rig.system import LAYERS, System
from rig.tail import Tail

CONFIG = """
[[consumer]]
name = "the-one"
protocol = "socket.io"
path = "/socket.io/"
namespace = "/workspace-0"
[consumer.on_message.where]
ack = "'the one without parameters'"

[[consumer]]
name = "workspace"
protocol = "socket.io"
path = "/socket.io/"
namespace = "/workspace-<int:id>"
groups = ["of_workspace_{{ route.id }}", "shared"]
on_connect = { reply = { event = "welcome", data = "route.id" } }
max_rooms = 5
[consumer.on_message.where]
ack = "route.id"
[consumer.on_message.join]
join = "{{ args[0] }}"
allow = ["general", "room_<int>"]
ack = "'joined'"
[consumer.on_message.leave]
leave = "{{ args[0] }}"
ack = "'left'"
[consumer.on_message.tell]
room = { to = "{{ args[0] }}", event = "told", data = "args[1]" }
allow = ["general", "room_<int>"]
[consumer.on_message.tell_others]
others = { to = "{{ args[0] }}", event = "told", data = "args[1]" }
allow = ["general", "room_<int>"]
[consumer.on_message.tell_all]
all = { event = "told", data = "args[0]" }
[consumer.on_message.enter]
join = "{{ args[0] }}"
allow = ["general", "room_<int>"]
all = { event = "entered", data = "route.id" }
[consumer.on_message.ask_me.reply]
event = "question"
data = "args[0]"
[consumer.on_message.ask_me.reply.expect]
timeout = "30s"
ok = { reply = { event = "answered", data = "result.args[0]" } }
[consumer.on_message.bye]
disconnect = true
[consumer.on_disconnect]
all = { event = "left", data = "route.id" }
[consumer.on_event.told]
emit = { event = "told", data = "event.what" }
[consumer.on_event.counted]
emit = { to = "general", event = "told", data = "event.what" }
[consumer.on_gap]
emit = { event = "gap", data = "gap.reason" }

# A second consumer of the same namespaces.
[[consumer]]
name = "beside"
protocol = "socket.io"
path = "/socket.io/"
namespace = "/workspace-<int:id>"
groups = ["beside_{{ route.id }}"]
[consumer.on_message.beside]
ack = "[route.id, id]"
[consumer.on_event.told]
emit = { event = "beside", data = "event.what" }

# A later form: what the first one has is not its.
[[consumer]]
name = "other"
protocol = "socket.io"
path = "/socket.io/"
namespace = "/workspace-<slug:name>"
[consumer.on_message.where]
ack = "route.name"

[[consumer]]
name = "known"
protocol = "socket.io"
path = "/socket.io/"
namespace = "/of-<str:who>"
auth = ["jwt"]
groups = ["user_{{ user.id }}"]
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    system = System(tmp_path_factory.mktemp("namespaces"), LAYERS["pubsub"])
    try:
        for _ in range(2):
            # Short, so that the end of the last group need not be waited for.
            system.start_node(wait=False, config=CONFIG, CHANNELGATE__LAYER__LINGER="200ms")
        system.wait()
        yield system
    finally:
        system.stop()


@pytest.fixture(scope="module")
def workspaces(system):
    port = stack.free_port()
    script = stack.ROOT / "tests" / "socketio" / "workspaces.js"

    def ready() -> bool:
        return stack.http_status(port, "/socket.io/?EIO=4&transport=polling") is not None

    part = stack.Part("workspaces", [stack.tool("node"), str(script), str(port)], system.directory, ready, {}, port)
    part.start().wait()
    yield part
    part.stop()


@pytest.fixture
async def sockets(driver: Driver):
    sockets = Sockets(driver, "js-websocket")
    yield sockets
    await sockets.close_all()


async def emit_on_node(port: int, emit: dict) -> None:
    reply = await Http(port).post("/emit", data=emit)
    assert reply.status == 200


def emit_through_redis(driver, system):
    async def emit(_: int, emit: dict) -> None:
        to = {"to": [emit["room"]]} if "room" in emit else {}
        call = {"event": emit["event"], "args": [emit["data"]], "namespace": emit["namespace"], **to}
        await driver.tell("publish", redis=system.redis_url, **call)

    return emit


async def scenario(sockets: Sockets, ports: list[int], emit) -> dict:
    """What each client sees; its clients are on these ports in turn."""
    first, last = ports[0], ports[-1]
    clients = {
        "a": await sockets.open(first, namespace="/workspace-7", answers={"question": ["so"]}),
        "b": await sockets.open(last, namespace="/workspace-7", kind="js-polling"),
        "c": await sockets.open(last, namespace="/workspace-8", kind="js-upgrade"),
        "d": await sockets.open(first, namespace="/workspace-0"),
        "e": await sockets.open(first, namespace="/workspace-0000000000000000007"),
    }
    a, b, c = (clients[name] for name in "abc")
    seen = {name: (await client.ask("where"))[0] for name, client in clients.items()}
    seen["refused"] = []
    for name in ("/workspace", "/workspaces-7", "/workspace-7/", "/workspace-7/x", "/x/workspace-7", "/Workspace-7"):
        socket = await sockets.start(first, namespace=name)
        seen["refused"].append((await socket.refused())["message"])
    for client in (a, c):
        assert await client.ask("join", "general") == ["joined"]
    await b.emit("tell", "general", "to a")
    await a.args("told")
    await a.emit("tell_all", "to a and b")
    await b.args("told")
    await a.args("told", 2)
    assert await b.ask("join", "general") == ["joined"]
    await a.emit("tell_others", "general", "to b")
    await b.args("told", 2)
    await emit(first, {"namespace": "/workspace-7", "event": "told", "data": "from outside"})
    await emit(first, {"namespace": "/workspace-8", "room": "general", "event": "told", "data": "to c"})
    await emit(first, {"namespace": "/workspace-9", "event": "told", "data": "to nobody"})
    await emit(first, {"namespace": "/workspace-<int:id>", "event": "told", "data": "to nobody"})
    await emit(first, {"namespace": "/", "event": "told", "data": "to nobody"})
    await c.args("told")
    await b.args("told", 3)
    await a.args("told", 3)
    assert await a.ask("leave", "general") == ["left"]
    await a.emit("ask_me", "how?")
    await a.args("answered")
    await c.emit("tell_all", "the last")
    await c.args("told", 2)
    await b.emit("bye")
    await b.wait(lambda: b.disconnects, "the end")
    for name, client in clients.items():
        seen[f"events of {name}"] = [event for event in client.events if event.name != "left"]
    seen["end"] = b.disconnects
    return seen


async def test_namespaces_with_parameters_are_those_of_socket_io(driver, sockets, system, workspaces):
    theirs = await scenario(sockets, [workspaces.port], emit_on_node)
    ours = await scenario(sockets, [node.port for node in system.nodes], emit_through_redis(driver, system))
    assert ours == theirs
    assert theirs["refused"] == ["Invalid namespace"] * 6
    assert [theirs[name] for name in "abcde"] == [7, 7, 8, "the one without parameters", 7]
    assert [event.args for event in theirs["events of c"]] == [[8], ["to c"], ["the last"]]


async def test_a_later_form_serves_what_the_earlier_ones_do_not(sockets, system):
    socket = await sockets.open(system.port, namespace="/workspace-blue")
    assert await socket.ask("where") == ["blue"]


async def test_all_consumers_of_a_form_serve_the_same_namespaces(sockets, system):
    node = system.nodes[0].port
    seven, eight = [await sockets.open(node, namespace=f"/workspace-{number}") for number in (7, 8)]
    assert (await seven.ask("beside"))[0] == [7, seven.id] and (await eight.ask("beside"))[0] == [8, eight.id]
    async with system.publisher() as layer:
        await layer.group_send("beside_8", {"type": "told", "what": "eight"})
        await layer.group_send("beside_7", {"type": "told", "what": "seven"})
    assert await seven.data("beside") == "seven" and await eight.data("beside") == "eight"


async def test_a_group_of_django_reaches_its_members_in_each_namespace(sockets, system):
    node = system.nodes[0].port
    members = [await sockets.open(node, namespace=f"/workspace-{number}") for number in (7, 8, 8)]
    assert await members[1].ask("join", "general") == ["joined"]
    async with system.publisher() as layer:
        await layer.group_send("shared", {"type": "told", "what": "all"})
        await layer.group_send("of_workspace_8", {"type": "told", "what": "eight"})
        await layer.group_send("shared", {"type": "counted", "what": "general"})
        await layer.group_send("shared", {"type": "told", "what": "end"})
    seen = []
    for member in members:
        await member.wait(lambda member=member: ["end"] in member.all("told"), "the end")
        seen.append([args[0] for args in member.all("told")])
    assert seen == [["all", "end"], ["all", "eight", "general", "end"], ["all", "eight", "end"]]


async def test_one_connection_has_several_namespaces_up_to_max_rooms(system):
    port = system.nodes[0].port
    client = await Client.open(port, "/socket.io/?EIO=4&transport=websocket")
    for number in range(1, 8):
        await client.send(f"40/workspace-{number},")
    # Refused at once: names without an end would take memory without one.
    await client.wait(lambda client: sum(frame.startswith("44/workspace-") for frame in client.frames) == 2, "refusals")
    await client.wait(lambda client: sum(frame.startswith("42/workspace-") for frame in client.frames) == 5, "welcomes")
    assert {frame for frame in client.frames if frame.startswith("42")} == {
        f'42/workspace-{number},["welcome",{number}]' for number in range(1, 6)
    }
    refused = [frame for frame in client.frames if frame.startswith("44")]
    assert all("max_rooms" in frame and "5" in frame for frame in refused), refused
    await client.send("41/workspace-1,")
    await client.send("40/workspace-9,")
    await client.wait(lambda client: '42/workspace-9,["welcome",9]' in client.frames, "the place of another")
    await client.send('42/workspace-9,1["where"]')
    await client.wait(lambda client: "43/workspace-9,1[9]" in client.frames, "the answer")
    # A name that makes the group of the namespace too long is none that it could serve.
    await client.send(f"40/of-{'x' * 200},")
    await client.wait(lambda client: any(frame.startswith("44/of-xxx") for frame in client.frames), "the refusal")
    await client.close()


async def test_a_client_may_ask_for_all_its_namespaces_at_once(system):
    """As socket.io-client does after a reconnect."""
    client = await Client.open(system.nodes[0].port, "/socket.io/?EIO=4&transport=websocket")
    for number in range(101):
        await client.send(f"40/workspace-n{number},")
    # Two that leave while they wait.
    await client.send("41/workspace-n98,")
    await client.send("41/workspace-n99,")
    expected = {f"40/workspace-n{number}" for number in range(98)} | {"44/workspace-n100"}
    await client.wait(
        lambda client: expected <= {frame.partition(",")[0] for frame in client.frames} or client.closed, "the answers"
    )
    assert client.closed is None
    await client.send('42/workspace-n97,1["where"]')
    await client.wait(lambda client: '43/workspace-n97,1["n97"]' in client.frames, "the answer")
    await client.close()


async def test_who_leaves_is_told_to_its_own_namespace_only(sockets, system):
    first, last = (node.port for node in system.nodes)
    stays, other = (
        await sockets.open(first, namespace="/workspace-17"),
        await sockets.open(first, namespace="/workspace-18"),
    )
    goes = await sockets.open(last, namespace="/workspace-17")
    await sockets.close(goes)
    assert await stays.data("left") == 17
    await stays.emit("tell_all", "after")
    await stays.args("told")
    await stays.emit("enter", "general")
    assert await stays.data("entered") == 17
    assert other.names("left", "told", "entered") == []


async def test_the_admin_api_names_the_namespace_and_reaches_it(sockets, system):
    first, last = (node.port for node in system.nodes)
    mine = await sockets.open(first, namespace="/of-me", auth={"token": mint_access(7)})
    also = await sockets.open(last, namespace="/of-you", auth={"token": mint_access(7)})
    admin, person = Http(first), mint_person(1, "admin").token
    rooms = (await admin.get("/api/websocket/user/7/rooms", token=person)).json()["data"]
    places = {socket["id"]: socket["namespace"] for socket in rooms["sockets"]}
    assert places == {mine.id: "/of-me", also.id: "/of-you"}
    order = {"event": "notice", "data": 1, "namespace": "/of-you"}
    reply = await admin.post("/api/websocket/emit/7", data=order, token=person)
    assert reply.status == 200, reply
    assert await also.data("notice") == 1
    assert mine.all("notice") == []


async def test_labels_and_the_tail_name_the_form_and_never_a_namespace(sockets, system):
    node = system.nodes[0]
    tail = await Tail.start(system, node)
    for number in range(100, 120):
        await sockets.open(node.port, namespace=f"/workspace-{number}", kind="js-websocket")
    async with system.publisher() as layer:
        await layer.group_send("shared", {"type": "told", "what": "all"})
        await layer.group_send("shared", {"type": "nothing"})
    delivered = await tail.wait(
        lambda tail: [line for line in tail.json("delivered") if "shared" in line["groups"]][19:], "deliveries"
    )
    assert delivered
    assert {line["consumer"] for line in tail.json("delivered")} <= {"workspace", "beside"}
    await tail.stop()
    metrics = (await Http(node.port).get("/metrics")).body.decode()
    assert "/workspace-" not in metrics and "workspace-1" not in metrics
    assert 'consumer="the-one,workspace,beside,other,known"' in metrics


async def test_namespaces_come_and_go_without_a_trace(system):
    """A hundred clients, each in a namespace of its own, three times: ids and groups do not pile up."""
    port = system.nodes[1].port

    async def visit(number: int) -> None:
        client = await Client.open(port, "/socket.io/?EIO=4&transport=websocket")
        await client.send(f"40/workspace-{number},")
        await client.wait(lambda client: f'42/workspace-{number},["welcome",{number}]' in client.frames, "the welcome")
        await client.close()

    for start in range(1000, 1300, 100):
        await asyncio.gather(*(visit(number) for number in range(start, start + 100)))
    await until(
        lambda: "workspace_1" not in stack.redis_command(system.redis.port, "PUBSUB CHANNELS"), "no group is left"
    )
    client = await Client.open(port, "/socket.io/?EIO=4&transport=websocket")
    await client.send("40/workspace-1000,")
    await client.wait(lambda client: '42/workspace-1000,["welcome",1000]' in client.frames, "one that was there before")
    assert json.dumps(client.frames).count("welcome") == 1
    await client.close()


async def test_a_gap_is_told_in_each_namespace(sockets, system):
    node = system.nodes[0].port
    clients = [await sockets.open(node, namespace=f"/workspace-{number}") for number in (31, 32)]
    before = system.metric(system.nodes[0], "channelgate_gaps_total")
    stack.redis_command(system.redis.port, "CLIENT KILL TYPE pubsub")
    for client in clients:
        assert await client.data("gap") == "reconnected"
    await until(lambda: system.metric(system.nodes[0], "channelgate_gaps_total") > before, "the count")
    assert [client.names("gap") for client in clients] == [["gap"], ["gap"]]
