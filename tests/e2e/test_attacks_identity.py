"""A user that is set after the token check is known everywhere: for disconnects, limits and presence."""

import contextlib
import time

import pytest
import websockets
from rig.answers import backend
from rig.check import refused
from rig.client import Client, refusal, until
from rig.demo import access_claims, mint
from rig.http import Http
from rig.system import API_KEY

HANDLERS = """
[consumer.on_message.whoami]
reply = "{'user': user}"
"""

#: Ways in which a plain connection of the token's user 1 gets another user.
WAYS = {
    "on_admit": """
auth = ["jwt"]
on_admit = { user = "{'id': claims.is, 'name': 'somebody'}" }
""",
    "on_admit by a call": """
auth = ["jwt"]
on_admit = { call = { action = "who", data = "claims.is", ok = { user = "result.body" } } }
""",
    "on_admit by a status": """
auth = ["jwt"]
on_admit = { call = { action = "moved", data = "claims.is", status.207 = { user = "result.body" } } }
""",
    "on_connect": """
auth = ["jwt", "anonymous"]
on_connect = { call = { action = "who", data = "claims.is | default(query.is)", ok = { user = "result.body" } } }
""",
    "on_message": """
auth = ["anonymous"]
[consumer.on_message.login]
call = { action = "who", data = "message.is", ok = { user = "result.body" } }
reply = "{'user': user}"
""",
    "on_message by a status": """
auth = ["anonymous"]
[consumer.on_message.login]
call = { action = "moved", data = "message.is", status.207 = { user = "result.body" } }
reply = "{'user': user}"
""",
    "on_message after an error": """
auth = ["anonymous"]
[consumer.on_message.login]
call = { action = "nothing", error = { user = "{'id': 7}", reply = "{'user': user}" } }
""",
}
LOGS_IN = {way for way in WAYS if way.startswith("on_message")}


def config(way: str, more: str = "") -> str:
    head, table, rest = WAYS[way].partition("[consumer.")
    return f'[[consumer]]\nname = "mine"\npath = "/ws/mine/"\n{head}{more}{table}{rest}{HANDLERS}'


@pytest.fixture
def asked():
    """A backend that returns the user."""
    with backend() as answers:
        answers.answers["who"] = lambda call: {"id": call["data"], "name": "somebody"}
        answers.answers["moved"] = lambda call: (207, {"id": call["data"], "name": "somebody"})
        answers.answers["nothing"] = (500, None)
        yield answers


@pytest.fixture
def start(system, asked):
    """Starts nodes with one of the ways."""

    def nodes(way: str, number: int = 1, more: str = "", text: str | None = None, **env):
        for _ in range(number):
            system.start_node(wait=False, config=text or config(way, more), CHANNELGATE_BACKEND_URL=asked.url, **env)
        system.wait()
        return system.nodes

    return nodes


def token(who, **claims) -> str:
    """A token of user 1, who is another user for the backend."""
    return mint(**access_claims(1), user_id="1", **{"is": who}, **claims)


async def come(node, way: str, who=7) -> Client:
    """Connects, and has a user."""
    client = await Client.open(node.port, f"/ws/mine/?is={who}&token={token(who)}")
    if way in LOGS_IN:
        await client.send({"type": "login", "is": who})
        assert (await client.count(1))[-1]["user"]["id"] == who
        return client

    async def is_known() -> bool:
        before = len(client.frames)
        await client.send({"type": "whoami"})
        return (await client.count(before + 1))[-1]["user"].get("id") == who

    await until(is_known, "the connection to have its user")
    return client


async def disconnect(node, **whom) -> int:
    reply = await Http(node.port).post("/api/websocket/disconnect", data=whom, token=API_KEY)
    assert reply.status == 200, reply
    return reply.json()["data"]["sockets"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_user_that_is_set_can_be_disconnected(start, way):
    nodes = start(way, 2)
    one, other = await come(nodes[0], way), await come(nodes[1], way, 7)
    stays = None
    if "error" not in way:
        stays = await come(nodes[0], way, 8)
    assert await disconnect(nodes[1], user=7, reason="logged out") == 2
    assert (await one.gone(), await other.gone()) == ((4403, "logged out"), (4403, "logged out"))
    if stays:
        assert stays.closed is None
        await stays.close()


async def test_a_changed_identity_moves(start):
    """One connection logs in as 7 and then as 8: it belongs only to 8."""
    way = "on_message"
    (node,) = start(way)
    client = await come(node, way)
    await client.send({"type": "login", "is": 8})
    await client.count(2)
    assert await disconnect(node, user=7) == 0
    assert client.closed is None
    assert await disconnect(node, user=8) == 1
    await client.gone()


async def test_a_token_still_ends_its_connections_after_the_user_changed(start):
    (node,) = start("on_admit")
    shown = token(7)
    client = await Client.open(node.port, f"/ws/mine/?token={shown}")
    assert await disconnect(node, token=shown) == 1
    await client.gone()
    # The token's user is not the current user.
    client = await come(node, "on_admit")
    assert await disconnect(node, user=1) == 0 and client.closed is None
    await client.close()


async def test_a_user_disconnected_during_the_call_that_sets_it_does_not_stay(start, asked):
    """The kick comes after the call was sent, and before its answer."""
    way = "on_message"
    (node,) = start(way)
    client = await Client.open(node.port, "/ws/mine/")

    def slowly(call):
        time.sleep(1)
        return {"id": call["data"]}

    asked.answers["who"] = slowly
    await client.send({"type": "login", "is": 7})
    await until(lambda: asked.calls("who"), "the question")
    await disconnect(node, user=7)
    assert (await client.gone())[0] == 4403


WITHOUT_ID = """
[[consumer]]
name = "mine"
path = "/ws/mine/"
auth = ["jwt"]
at_expiry = "close"
on_admit = { user = "{'name': 'somebody'}" }
"""


async def next_one(node, path: str) -> Client:
    """A client in the only place of a user, which is given back a moment after the close of the one before."""
    opened = []

    async def is_open() -> bool:
        with contextlib.suppress(websockets.InvalidStatus):
            opened.append(await Client.open(node.port, path))
        return bool(opened)

    await until(is_open, "the place to be given back")
    return opened[0]


async def test_a_user_without_an_id_is_still_the_tokens_user(start):
    """The page has a name only; the token, its expiry and its user still count."""
    (node,) = start("", text=WITHOUT_ID + HANDLERS, CHANNELGATE__LIMITS__CONNECTIONS_PER_USER="1")
    shown = token(7)
    client = await Client.open(node.port, f"/ws/mine/?token={shown}")
    assert await refusal(node.port, f"/ws/mine/?token={token(7)}") == 429
    assert await disconnect(node, token=shown) == 1
    await client.gone()
    client = await next_one(node, f"/ws/mine/?token={token(7)}")
    assert await disconnect(node, user=1) == 1
    await client.gone()
    client = await next_one(node, f"/ws/mine/?token={token(7, exp=int(time.time()) + 10)}")
    assert (await client.gone())[0] == 4401


@pytest.mark.parametrize("way", ["on_admit", "on_admit by a call", "on_admit by a status"])
async def test_a_user_set_before_admission_is_counted(start, way):
    nodes = start(way, 2, CHANNELGATE__LIMITS__CONNECTIONS_PER_USER="1")
    client = await come(nodes[0], way)
    assert await refusal(nodes[1].port, f"/ws/mine/?token={token(7)}") == 429
    # The token's own user is not the current one: other users of the same token are counted separately.
    other = await come(nodes[1], way, 8)
    await client.close()

    async def has_room() -> bool:
        return await refusal(nodes[1].port, f"/ws/mine/?token={token(7)}") == 101

    await until(has_room, "the place to be given back")
    await other.close()


@pytest.mark.parametrize("way", ["on_connect", "on_message", "on_message by a status"])
async def test_a_user_set_later_is_counted_from_then_on(start, way):
    nodes = start(way, 2, CHANNELGATE__LIMITS__CONNECTIONS_PER_USER="1")
    client = await come(nodes[0], way)
    second = await Client.open(nodes[1].port, "/ws/mine/?is=7")
    if way in LOGS_IN:
        await second.send({"type": "login", "is": 7})
    assert (await second.gone())[0] == 1013
    # The first one stays, and gives its permit back when its user changes, or when it leaves.
    assert client.closed is None
    if way in LOGS_IN:
        await client.send({"type": "login", "is": 8})
        await client.count(2)

        async def has_room() -> bool:
            again = await Client.open(nodes[1].port, "/ws/mine/")
            await again.send({"type": "login", "is": 7})
            await again.wait(lambda one: one.frames or one.closed, "the answer, or the end")
            is_in = again.closed is None and again.json()[-1]["user"]["id"] == 7
            await again.close()
            return is_in

        await until(has_room, "the permit to be given back")
    await client.close()


PRESENT = """
presence = { member = "user.id", grace = "100ms" }
on_online = { publish = { group = "lobby", event = "{'type': 'online', 'user': user.id}" } }
on_offline = { publish = { group = "lobby", event = "{'type': 'offline', 'user': user.id}" } }
"""
LOBBY = """
[[consumer]]
name = "lobby"
path = "/ws/lobby/"
groups = ["lobby"]
[consumer.on_event."*"]
send = "[event.type, event.user]"
"""


@pytest.mark.parametrize("way", ["on_admit", "on_connect", "on_message", "on_message by a status"])
async def test_a_user_that_is_set_is_present(start, way):
    (node,) = start(way, text=config(way, PRESENT) + LOBBY)
    lobby = await Client.open(node.port, "/ws/lobby/")
    client = await come(node, way)
    assert await lobby.count(1) == [["online", 7]]
    if way in LOGS_IN:
        await client.send({"type": "login", "is": 8})
        frames = await lobby.count(3)
        assert sorted(frames[1:]) == [["offline", 7], ["online", 8]]
    await client.close()
    frames = await lobby.count(4 if way in LOGS_IN else 2)
    assert frames[-1] == ["offline", 8 if way in LOGS_IN else 7]
    await lobby.close()


SOCKETIO = """
[[consumer]]
name = "rooms"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
on_admit = { user = "{'id': claims.is}" }
[consumer.on_message.login]
call = { action = "who", data = "args[0]", ok = { user = "result.body" } }
ack = "user.id"

[[consumer]]
name = "other"
protocol = "socket.io"
path = "/socket.io/"
namespace = "/other"
auth = ["anonymous"]
[consumer.on_message.login]
call = { action = "who", data = "args[0]", ok = { user = "result.body" } }
ack = "user.id"
"""


async def test_the_same_holds_for_socketio(start, sockets):
    (node,) = start("", text=SOCKETIO)
    client = await (await sockets.start(node.port, token(7))).opened()
    assert await disconnect(node, user=1) == 0
    assert await disconnect(node, user=7) == 1
    await client.wait(lambda: client.disconnects, "the end")
    client = await (await sockets.start(node.port, token(7))).opened()
    assert await client.ask("login", 9) == [9]
    assert await disconnect(node, user=7) == 0
    assert await disconnect(node, user=9) == 1
    await client.wait(lambda: client.disconnects, "the end")


async def test_each_namespace_has_its_own_user(start, sockets):
    (node,) = start("", text=SOCKETIO)
    client = await (await sockets.start(node.port, namespace="/other")).opened()
    assert await client.ask("login", 9) == [9]
    assert await disconnect(node, user=9) == 1
    await client.wait(lambda: client.disconnects, "the end")


async def test_a_refreshed_token_keeps_the_user_that_was_set(start):
    """With an on_admit, `user` stays: so does the user by which it is disconnected."""
    more = '[consumer.on_message.refresh]\nrefresh = "message.token"\ndenied = "\'denied\'"\nreply = "user.id"\n'
    text = config("on_admit") + more
    (node,) = start("on_admit", text=text)
    client = await Client.open(node.port, f"/ws/mine/?token={token(7)}")
    await client.send({"type": "refresh", "token": mint(**access_claims(2), user_id="2", **{"is": 7})})
    assert await client.count(1) == ["denied"], "another user's token"
    await client.send({"type": "refresh", "token": token(7)})
    assert await client.count(2) == ["denied", 7]
    assert await disconnect(node, user=7) == 1
    await client.gone()


WHOSE = """
[[consumer]]
name = "rooms"
protocol = "socket.io"
path = "/socket.io/"
[consumer.on_message.ask]
{reply}
"""


#: Ids that neither a disconnect nor a limit could find.
UNFIT = {
    "a float": 1.5,
    "an integer beyond 64 bits": 1 << 64,
    "a boolean": True,
    "a list": [7],
    "nothing": "",
    "a long text": "x" * 256,
}


@pytest.mark.parametrize("kind", UNFIT)
@pytest.mark.parametrize("way", ["on_admit", "on_admit by a call", "on_message"])
async def test_a_user_that_could_not_be_disconnected_is_refused(start, system, way, kind):
    """At admission the client is refused; later the handler fails, and the connection stays what it was."""
    (node,) = start(way)
    if way == "on_message":
        client = await Client.open(node.port, f"/ws/mine/?token={token(7)}")
        await client.send({"type": "login", "is": UNFIT[kind]})
        await client.send({"type": "whoami"})
        assert await client.count(1) == [{"user": None}]
        assert system.metric(node, "channelgate_refused_messages_total", reason="failed_message") == 1
        await client.close()
    else:
        unfit = mint(**access_claims(1), **{"user_id": "1", "is": UNFIT[kind]})
        assert await refusal(node.port, f"/ws/mine/?token={unfit}") == 403
        await until(lambda: "the user's id" in node.log.read_text(), "the reason in the log")


@pytest.mark.parametrize("branch", ["ok", "error"])
def test_an_acknowledgement_cannot_set_the_user(tmp_path, branch):
    """A client's acknowledgement is client data: never its identity."""
    reply = f'reply = {{ event = "who", expect = {{ {branch} = {{ user = "result.args[0]" }} }} }}'
    refused(tmp_path, WHOSE.replace("{reply}", reply), f"consumer[0].on_message.ask.reply.expect.{branch}.user", line=7)


async def test_a_client_that_acknowledges_keeps_its_user(start, sockets):
    """The same if the user comes from an answer within an acknowledgement: the call decides."""
    reply = (
        'reply = { event = "who", expect = { ok = { call = { action = "who", data = "result.args[0]", '
        'ok = { user = "result.body", reply = { event = "you", data = "user.id" } } } } } }'
    )
    (node,) = start("", text=WHOSE.replace("{reply}", reply))
    client = await (await sockets.start(node.port, answers={"who": [7]})).opened()
    await client.emit("ask")
    assert await client.data("you") == 7
    assert await disconnect(node, user=7) == 1
    await client.wait(lambda: client.disconnects, "the end")
