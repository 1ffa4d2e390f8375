"""Two names chosen by identities or clients never become one group, and no client chooses another's name."""

import contextlib
import json
import pickle
import re
import signal
from urllib.parse import quote, unquote

import pytest
import redis.asyncio as redis
import socketio
from rig.check import refused, run
from rig.client import Client, refusal, until
from rig.demo import access_claims, mint, mint_person
from rig.driver import DriverError
from rig.http import Http
from rig.names import part

#: Users whose names once became one: each is admitted, and receives only its own messages.
PAIRS = [
    ("bob+smith@x", "bob.smith@x"),
    ("auth0|1", "auth0.1"),
    ("tenant:1", "tenant/1"),
    ("анна", "олег"),
    ("a b", "a.b"),
    ("é", "è"),
    # Visually equal, but different texts.
    ("\u00e9", "e\u0301"),
    # One of them already looks like the encoded form of the other.
    ("a+b", "a-x2bb"),
    ("a-x2bb", "a-x2dx2bb"),
    ("-x2e", "."),
    ("😀", "-xf0-x9f-x98-x80"),
]

CONFIG = """
[[consumer]]
name = "plain"
path = "/ws/mine/"
auth = ["jwt"]
groups = ["user_{{ user.id }}"]
[consumer.on_event."*"]
send = "event.text"

[[consumer]]
name = "room"
path = "/ws/room/<name>/"
groups = ["room_{{ route.name }}"]
[consumer.on_event."*"]
send = "event.text"

[[consumer]]
name = "rooms"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
groups = ["user_{{ user.id }}", "role_{{ user.role }}"]
[consumer.on_event."*"]
emit = { event = "told", data = "event.text" }
[consumer.on_message.join]
join = "{{ args[0] }}"
allow = ["dm:<str>", "order_<int>"]
denied = { event = "denied", data = "args[0]" }
ack = "'joined'"
[consumer.on_message.session]
join = "session:{{ args[0] }}"
ack = "'joined'"
[consumer.on_message.say]
room = { to = "{{ args[0] }}", event = "told", data = "args[1]" }
allow = ["dm:<str>", "order_<int>"]
denied = { event = "denied", data = "args[0]" }
ack = "'said'"
[consumer.on_message.tell]
to_user = { to = "{{ args[0] }}", event = "told", data = "args[1]" }
ack = "'said'"
[consumer.on_message.roles]
to_role = { to = "{{ args[0] }}", event = "told", data = "args[1]" }
ack = "'said'"
"""


@pytest.fixture
def node(module_system):
    """One node for this file."""
    if not module_system.nodes:
        module_system.start_node(config=CONFIG)
    return module_system.nodes[0]


def person(name: str, role: str = "user"):
    return mint_person(name, role, name="somebody")


async def only(one, other, text: str) -> None:
    """The first has received this; a later message to both shows that the other did not."""
    await one.wait(lambda: [text] in one.all("told"), text)
    assert not [event for event in other.events if event.args == [text]], other.events


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_two_users_are_two_groups_with_any_ids(node, sockets, module_system, one, other):
    first, second = [await sockets.open(node.port, person(who)) for who in (one, other)]
    for number, (who, hears, does_not) in enumerate([(one, first, second), (other, second, first)]):
        assert await first.ask("tell", who, f"by the node {number}") == ["said"]
        await only(hears, does_not, f"by the node {number}")
        async with module_system.publisher() as layer:
            await layer.group_send(f"user_{part(who)}", {"type": "notice", "text": f"by Django {number}"})
        await only(hears, does_not, f"by Django {number}")


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_a_plain_client_has_a_group_with_any_user_id(node, module_system, one, other):
    clients = [await Client.open(node.port, f"/ws/mine/?token={person(who).token}") for who in (one, other)]
    async with module_system.publisher() as layer:
        for who in (one, other):
            await layer.group_send(f"user_{part(who)}", {"type": "notice", "text": who})
    for client, who in zip(clients, (one, other), strict=True):
        assert await client.count(1) == [who]
        await client.close()


@pytest.mark.parametrize(("one", "other"), [("a%20b", "a.b"), ("a%2Bb", "a.b"), ("%D0%B0", "%D0%B1"), ("a:1", "a.1")])
async def test_a_route_is_a_value_like_any_other(node, module_system, one, other):
    clients = [await Client.open(node.port, f"/ws/room/{name}/") for name in (one, other)]
    async with module_system.publisher() as layer:
        for name in (one, other):
            await layer.group_send(f"room_{part(unquote(name))}", {"type": "notice", "text": name})
    for client, name in zip(clients, (one, other), strict=True):
        assert await client.count(1) == [name]
        await client.close()


ROOMS = [("dm:анна", "dm:олег"), ("dm:a:b", "dm:a.b"), ("dm:a|b", "dm:a.b"), ("dm:x+", "dm:x ")]


@pytest.mark.parametrize(("one", "other"), ROOMS)
async def test_two_rooms_that_clients_name_are_two_groups(node, sockets, module_system, one, other):
    first, second = [await sockets.open(node.port, person(who)) for who in ("1", "2")]
    assert await first.ask("join", one) == ["joined"]
    assert await second.ask("join", other) == ["joined"]
    for number, (room, hears, does_not) in enumerate([(one, first, second), (other, second, first)]):
        assert await first.ask("say", room, f"by the node {number}") == ["said"]
        await only(hears, does_not, f"by the node {number}")
        async with module_system.publisher() as layer:
            group = f"dm.{part(room.removeprefix('dm:'))}"
            await layer.group_send(group, {"type": "notice", "text": f"by Django {number}"})
        await only(hears, does_not, f"by Django {number}")


@pytest.mark.parametrize(("one", "other"), [("a b", "a.b"), ("ärzte", "erzte"), ("x:1", "x.1")])
async def test_two_roles_are_two_groups(node, sockets, one, other):
    first, second = [await sockets.open(node.port, person(f"of {role}", role)) for role in (one, other)]
    assert await first.ask("roles", other, "for the other") == ["said"]
    await only(second, first, "for the other")


async def test_literal_text_is_unchanged(node, sockets, module_system):
    client = await sockets.open(node.port, person("1"))
    for value, group in [(7, "session.7"), ("a_b-c.d", "session.a_b-c.d"), ("a:b", "session.a-x3ab")]:
        assert await client.ask("session", value) == ["joined"]
        async with module_system.publisher() as layer:
            await layer.group_send(group, {"type": "notice", "text": group})
        await client.wait(lambda group=group: [group] in client.all("told"), group)


async def emitted(system, room: str, text: str, by: str) -> None:
    """By python-socketio, or like @socket.io/redis-emitter with JSON: from another process."""
    if by == "python":
        manager = socketio.AsyncRedisManager(system.redis_url, write_only=True)
        await manager.emit("told", text, namespace="/", room=room)
        with contextlib.suppress(Exception):
            await manager.redis.aclose()
    else:
        reply = await Http(system.nodes[0].port).post(
            f"/api/websocket/emit/room/{room}",
            data={"event": "told", "data": text},
            token=mint_person("99", "admin").token,
        )
        assert reply.status == 200, reply


@pytest.mark.parametrize("by", ["python", "admin"])
async def test_an_emitter_names_a_room_as_the_clients_do(node, sockets, module_system, by):
    """Its literals are known from the namespace's templates and patterns."""
    clients = [await sockets.open(node.port, person(who)) for who in ("1", "2", "3")]
    assert await clients[0].ask("join", "dm:анна") == ["joined"]
    assert await clients[1].ask("join", "dm:олег") == ["joined"]
    assert await clients[2].ask("session", "7") == ["joined"]
    rooms = ["dm:анна", "dm:олег", "session:7"]
    for room, hears in zip(rooms, clients, strict=True):
        text = f"{by} to {room}"
        await emitted(module_system, quote(room) if by == "admin" else room, text, by)
        await hears.wait(lambda hears=hears, text=text: [text] in hears.all("told"), text)
    for room, client in zip(rooms, clients, strict=True):
        assert client.all("told") == [[f"{by} to {room}"]]


def refusals(node) -> int:
    """Log lines with the maximum length of a name."""
    return len(re.findall(r"\b(?:99|100) characters", node.log.read_text()))


@pytest.mark.parametrize("name", ["x" * 97, "я" * 20], ids=["long", "long once it is written"])
async def test_a_name_that_is_too_long_is_refused_and_logged(node, sockets, module_system, name):
    assert await refusal(node.port, f"/ws/mine/?token={person(name).token}") == 403
    await until(lambda: refusals(node) >= 1, "the group to be refused in the log")
    client = await sockets.open(node.port, person("1"))
    await client.emit("join", f"dm:{name}")
    await until(lambda: refusals(node) >= 2, "the room to be refused in the log")
    assert client.all("told") == []


#: Templates whose beginning a client could choose: the template, and the protocol.
FREE = {
    "our own recipe": "{{ query.orders.split(',') }}",
    "one name": "{{ query.room }}",
    "one name and more": "{{ query.room }}_events",
    "a list in a condition": "{{ query.get('extra', '').split(',') if query.extra else [] }}",
    "a part of the path": "{{ route.name }}",
    "text within the expression": "{{ 'user_' ~ query.id if query.id else route.name }}",
    "the end of another's name": "user{{ query.suffix }}",
}


@pytest.mark.parametrize("case", FREE)
def test_a_group_whose_beginning_a_client_chooses_is_refused_at_start(tmp_path, case):
    consumer = (
        f'[[consumer]]\npath = "/ws/<name>/"\nauth = ["jwt"]\ngroups = ["user_{{{{ user.id }}}}", "{FREE[case]}"]\n'
    )
    assert "allow" in refused(tmp_path, consumer, "consumer[0].groups[1]", line=4)


def test_the_same_for_the_auth_data_of_a_socketio_client(tmp_path):
    consumer = '[[consumer]]\npath = "/socket.io/"\nprotocol = "socket.io"\ngroups = ["{{ auth.room }}"]\n'
    assert "allow" in refused(tmp_path, consumer, "consumer[0].groups[0]", line=4)


def test_a_variable_set_from_client_data_is_client_data(tmp_path):
    consumer = '[[consumer]]\npath = "/ws/"\nauth = ["jwt"]\non_admit = { set = { room = "query.room" } }\n'
    refused(tmp_path, consumer + 'groups = ["{{ vars.room }}"]\n', "consumer[0].groups[0]", line=5)


@pytest.mark.parametrize(
    "template",
    [
        "user_{{ user.id }}",
        "{{ ['staff'] if claims.is_staff else [] }}",
        "{{ claims.tenant }}",
        "page_{{ query.url | slug }}",
        "chat_{{ min(user.id, 7) }}",
        "order_{{ route.id }}",
    ],
)
def test_groups_that_a_client_cannot_choose_are_accepted(tmp_path, template):
    verdict = run(tmp_path, f'[[consumer]]\npath = "/ws/<int:id>/"\nauth = ["jwt"]\ngroups = ["{template}"]\n')
    assert verdict.code == 0, verdict.errors


ALLOWED = """
[[consumer]]
path = "/ws/orders/"
auth = ["jwt"]
groups = ["{{ query.orders.split(',') }}"]
allow = ["order_<int>"]
[consumer.on_event."*"]
send = "event.text"

[[consumer]]
path = "/ws/mine/"
auth = ["jwt"]
groups = ["user_{{ user.id }}"]
[consumer.on_event."*"]
send = "event.text"
"""


async def test_with_a_pattern_a_client_names_what_it_allows_and_nothing_else(system):
    node = system.start_node(config=ALLOWED)
    token = person("7").token
    client = await Client.open(node.port, f"/ws/orders/?orders=order_1,order_2&token={token}")
    for orders in ("user_9", "order_1,user_9", "order_x", "order_1x", "", "order_1,", "Order_1", " order_1"):
        assert await refusal(node.port, f"/ws/orders/?orders={orders.replace(' ', '%20')}&token={token}") == 403, orders
    async with system.publisher() as layer:
        for group in ("user_9", "order_3", "order_1", "order_2"):
            await layer.group_send(group, {"type": "notice", "text": group})
    assert await client.count(2) == ["order_1", "order_2"]
    await client.close()


async def test_a_client_chooses_a_bounded_number_of_groups_at_its_handshake(system, sockets):
    """A request of 50 kB names 4,000 groups."""
    by_auth = """
[[consumer]]
name = "rooms"
path = "/socket.io/"
protocol = "socket.io"
auth = ["jwt"]
groups = ["{{ auth.orders }}"]
allow = "order_<int>"
max_rooms = 5
"""
    node = system.start_node(config=ALLOWED + by_auth)
    orders = lambda most: ",".join(f"order_{number}" for number in range(1, most + 1))  # noqa: E731
    path = f"/ws/orders/?token={person('7').token}&orders="
    assert await refusal(node.port, path + orders(100)) == 101
    denied = system.metric(node, "channelgate_handshakes_total", outcome="denied")
    for most in (101, 4000):
        assert await refusal(node.port, path + orders(most)) == 403
    assert system.metric(node, "channelgate_handshakes_total", outcome="denied") == denied + 2
    auth = lambda most: {"token": person("7").token, "orders": orders(most).split(",")}  # noqa: E731
    client = await sockets.start(node.port, auth=auth(6))
    assert (await client.refused())["message"]
    client = await sockets.start(node.port, auth=auth(5))
    await client.opened()


ELSEWHERE = """
[[consumer]]
path = "/a/"
auth = ["jwt"]
groups = ["user_{{ user.id }}"]
[consumer.on_event."*"]
send = "event.text"

[[consumer]]
path = "/b/"
auth = ["jwt"]
groups = ["OTHER"]
[consumer.on_event."*"]
send = "event.text"
"""


async def test_a_user_with_the_name_of_another_consumers_group_is_refused(system):
    """Groups are the same at every path; a reload compares with the new consumers."""
    quiet, loud = (ELSEWHERE.replace("OTHER", other) for other in ("b", "user_{{ user.id }}_notifications"))
    node = system.start_node(config=loud)
    path = f"/a/?token={person('7_notifications').token}"
    await refused_as_ambiguous(system, node, path)
    theirs = await Client.open(node.port, f"/b/?token={person('7').token}")
    mine = await Client.open(node.port, f"/a/?token={person('7').token}")
    async with system.publisher() as layer:
        await layer.group_send("user_7_notifications", {"type": "notice", "text": "for 7"})
        await layer.group_send("user_7", {"type": "notice", "text": "for 7, too"})
    assert (await theirs.count(1), await mine.count(1)) == (["for 7"], ["for 7, too"])
    await theirs.close()
    await mine.close()
    for number, (text, status) in enumerate([(quiet, 101), (loud, 403)], 1):
        (system.directory / "node1.toml").write_text(text)
        node.signal(signal.SIGHUP)
        applied = lambda: system.metric(node, "channelgate_reloads_total", outcome="applied")  # noqa: E731
        await until(lambda number=number, applied=applied: applied() == number, "the reload")
        assert await refusal(node.port, path) == status


def test_a_client_cannot_continue_to_a_name_of_another_consumer(tmp_path):
    free = '[[consumer]]\npath = "/any/"\ngroups = ["u{{ query.x }}"]\n'
    told = refused(tmp_path, f"{free}{ELSEWHERE.replace('OTHER', 'b')}", "consumer[0].groups[0]", line=3)
    assert "user_{{ user.id }}" in told and "allow" in told


ROOMS_OF_SOCKETIO = '[[consumer]]\npath = "/socket.io/"\nprotocol = "socket.io"\n'


@pytest.mark.parametrize(
    "patterns", [["session:<int>", "session.<int>"], ["a:<str>:b", "a.<str>.b"], ["x|<int>", "x/<int>"]]
)
def test_two_patterns_that_give_one_group_are_refused(tmp_path, patterns):
    step = f'[consumer.on_message.join]\njoin = "{{{{ args[0] }}}}"\nallow = {json.dumps(patterns)}\n'
    told = refused(tmp_path, ROOMS_OF_SOCKETIO + step, "consumer[0].on_message.join.allow", line=6)
    assert all(pattern in told for pattern in patterns), told


@pytest.mark.parametrize("patterns", [["team_<str>", "team_<int>_admins"], ["a_<str>_b", "a_<slug>_c_b"]])
def test_a_pattern_that_reaches_into_another_steps_is_refused(tmp_path, patterns):
    """A client that may name a team could name its admins, which another step reserves."""
    steps = "".join(
        f"[consumer.on_message.join{number}]\nrequire = \"user.role == '{number}'\"\n"
        f'join = "{{{{ args[0] }}}}"\nallow = "{pattern}"\n'
        for number, pattern in enumerate(patterns)
    )
    verdict = run(tmp_path, f'{ROOMS_OF_SOCKETIO}auth = ["jwt"]\n{steps}')
    assert verdict.code == 2 and all(pattern in verdict.errors for pattern in patterns), verdict.output


def test_two_templates_of_one_namespace_that_can_collide_are_refused(tmp_path):
    steps = "".join(
        f'[consumer.on_message.{name}]\njoin = "s{sign}{{{{ args[0] }}}}"\n' for name, sign in (("a", ":"), ("b", "."))
    )
    text = ROOMS_OF_SOCKETIO + steps
    verdict = run(tmp_path, text)
    assert verdict.code == 2 and "s:" in verdict.errors and "s." in verdict.errors, verdict.output


def test_two_namespaces_that_are_one_group_are_refused(tmp_path):
    head = '[[consumer]]\npath = "/socket.io/"\nprotocol = "socket.io"\n'
    text = f'{head}namespace = "/a/b"\n{head}namespace = "/a.b"\n'
    refused(tmp_path, text, "consumer[1].namespace", line=8)


AMBIGUOUS = """
presets = ["parking"]

[[consumer]]
path = "/ws/team/"
auth = ["jwt"]
groups = ["team_{{ claims.team }}", "team_{{ claims.team }}_admins"]
[consumer.on_event."*"]
send = "event.text"

[[consumer]]
path = "/ws/chat/"
auth = ["jwt"]
groups = ["chat_{{ claims.a }}_{{ claims.b }}"]
[consumer.on_event."*"]
send = "event.text"

[[consumer]]
path = "/socket.io/"
protocol = "socket.io"
auth = ["jwt"]
groups = ["user_{{ user.id }}", "user_{{ user.id }}_notifications"]
[consumer.on_message.join]
join = "room_{{ args[0] }}"
ack = "'joined'"
[consumer.on_message.staff]
join = "room_{{ args[0] }}_staff"
ack = "'joined'"
[consumer.on_event."*"]
emit = { event = "told", data = "event.text" }
"""


async def refused_as_ambiguous(system, node, path: str) -> None:
    before = system.metric(node, "channelgate_handshakes_total", outcome="ambiguous_group")
    assert await refusal(node.port, path) == 403
    assert system.metric(node, "channelgate_handshakes_total", outcome="ambiguous_group") == before + 1


@pytest.fixture
def ambiguous(module_system):
    """One node with templates that continue after a value."""
    if len(module_system.nodes) < 2:
        module_system.start_node(config=CONFIG)
        module_system.start_node(config=AMBIGUOUS)
    return module_system.nodes[-1]


@pytest.mark.parametrize(
    "user", ["7_notifications", "7_notifications_notifications", "_notifications", "a_notifications_b"]
)
async def test_a_user_with_the_name_of_anothers_group_is_refused(ambiguous, module_system, user):
    """`user_7_notifications` belongs to user 7; a user of that name would read it."""
    async with redis.from_url(module_system.redis_url) as cache:
        await cache.set(":1:ws_token_theirs", user if user.isalnum() else pickled(user), ex=60)
    await refused_as_ambiguous(module_system, ambiguous, "/ws/notifications/?token=theirs")


def pickled(value) -> bytes:
    return pickle.dumps(value, protocol=5)


@pytest.mark.parametrize(
    ("path", "claims"),
    [
        ("/ws/team/", {"team": "red_admins"}),
        ("/ws/chat/", {"a": "1_2", "b": "3"}),
        ("/ws/chat/", {"a": "1", "b": "2_3"}),
    ],
)
async def test_a_value_that_contains_the_text_after_it_is_refused(ambiguous, module_system, path, claims):
    good = mint(**access_claims(1), user_id="1", team="red", a="1", b="2")
    assert await refusal(ambiguous.port, f"{path}?token={good}") == 101
    await refused_as_ambiguous(
        module_system, ambiguous, f"{path}?token={mint(**access_claims(1), user_id='1', **claims)}"
    )


async def test_the_same_holds_for_socketio(ambiguous, sockets):
    refused_one = await sockets.start(ambiguous.port, person("7_notifications").token)
    assert (await refused_one.refused())["message"]
    client = await sockets.open(ambiguous.port, person("7"))
    assert await client.ask("staff", "7") == ["joined"]
    other = await sockets.open(ambiguous.port, person("8"))
    with pytest.raises(DriverError):
        await other.ask("join", "7_staff")


def test_the_rule_is_injective():
    """Django's line on a page of this size: 597,870 texts, including those that are likely to collide."""
    texts = {f"{a}{b}{c}" for a in "a-+.:é/ x2" for b in ("", "-", "-x", "-x2b", "+", "2b", "x") for c in "-+.:éb x2"}
    assert len({part(text) for text in texts}) == len(texts)
