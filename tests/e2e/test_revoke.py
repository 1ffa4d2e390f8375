"""Users, tokens and sockets are disconnected everywhere at once, and connections end with their token."""

import asyncio
import base64
import json
import time
from functools import partial

import pytest
import redis.asyncio as redis
import stack
import websockets
from django.conf import settings
from django.core.cache.backends.redis import RedisCache
from django.test.utils import override_settings
from rig.browser import browser
from rig.client import Client, refusal, until
from rig.deadline import in_time
from rig.demo import access_claims, mint, mint_person
from rig.engine import SEPARATOR, Polling
from rig.http import Http
from rig.proxy import Proxy
from rig.sio import KINDS, Sockets
from rig.system import API_KEY

if not settings.configured:
    settings.configure()

from channelgate import adisconnect

CHANNEL = "channelgate:control:disconnect"
#: The clients' term for a socket that the server ends for good.
TOLD = ("io server disconnect", "server disconnect")

#: Plain sockets and Socket.IO for clients with an access token; each reports when a client has gone.
CONFIG = """
[auth.ws_token]
recheck = "200ms"

[[consumer]]
name = "plain"
path = "/ws/mine/"
auth = ["jwt"]
groups = ["user_{{ user.id }}"]
[consumer.on_event.notice]
send = "{'notice': event.text}"
[consumer.on_message.whoami]
reply = "{'id': id, 'user': user, 'role': claims.role | default('none')}"
[consumer.on_message.refresh]
refresh = "message.token"
denied = "{'type': 'denied'}"
failed = "{'type': 'failed'}"
reply = "{'type': 'refreshed', 'role': user.role, 'claim': claims.role}"
[consumer.on_disconnect]
publish = { group = "lobby", event = "{'type': 'left', 'user': user.id}" }

[[consumer]]
name = "alone"
path = "/ws/alone/"
auth = ["jwt"]
[consumer.on_message.whoami]
reply = "{'id': id}"

[[consumer]]
name = "ending"
path = "/ws/ending/"
auth = ["jwt"]
at_expiry = "close"
groups = ["user_{{ user.id }}"]
[consumer.on_message.refresh]
refresh = "message.token"
denied = "{'type': 'denied'}"
reply = "{'type': 'refreshed'}"

[[consumer]]
name = "lobby"
path = "/ws/lobby/"
groups = ["lobby"]
[consumer.on_event.left]
send = "event.user"

[[consumer]]
name = "noted"
path = "/ws/noted/"
auth = ["ws_token"]
groups = ["user_{{ user.id }}"]

[[consumer]]
name = "rooms"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
groups = ["user_{{ user.id }}"]
[consumer.on_message.refresh]
refresh = "args[0]"
denied = { event = "denied", data = "none" }
ack = "user.role"
[consumer.on_event.notice]
emit = { event = "notice", data = "event.text" }

[[consumer]]
name = "other"
namespace = "/other"
protocol = "socket.io"
path = "/socket.io/"
auth = ["anonymous"]

[[consumer]]
name = "brief"
namespace = "/brief"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
at_expiry = "close"
[consumer.on_message.refresh]
refresh = "args[0]"
denied = { event = "denied", data = "none" }
ack = "'ok'"
"""


@pytest.fixture
def one(system):
    system.start_node(config=CONFIG)
    return system


@pytest.fixture
def three(system):
    for _ in range(3):
        system.start_node(wait=False, config=CONFIG)
    system.wait()
    return system


def token_for(user, lifetime: float = 300, **claims) -> str:
    base = {**access_claims(user), "user_id": str(user), "role": "user", "exp": int(time.time() + lifetime)}
    return mint(**{**base, **claims})


def plain(port: int, token: str, path: str = "/ws/mine/"):
    return Client.open(port, f"{path}?token={token}")


async def disconnect(port: int, body, status: int = 200, token: str | None = API_KEY) -> dict:
    """An order through the admin API."""
    reply = await Http(port).post("/api/websocket/disconnect", data=body, token=token)
    assert reply.status == status, reply
    answer = reply.json()
    assert answer["status"] == ("success" if status == 200 else "error") and answer["message"]
    return answer


async def publish(system, body) -> int:
    """An order in Redis; returns how many nodes received it."""
    connection = redis.Redis.from_url(system.redis_url)
    try:
        return await connection.publish(CHANNEL, body if isinstance(body, bytes) else json.dumps(body))
    finally:
        await connection.aclose()


async def is_served(port: int, client: Client) -> bool:
    """Whether the node still answers this client."""
    before = len(client.frames)
    await client.send({"type": "whoami"})
    await client.wait(lambda client: len(client.frames) > before or client.closed, "an answer")
    return client.closed is None


@pytest.mark.parametrize("user", [7, "7"])
async def test_a_user_is_disconnected_from_every_node_with_every_protocol(three, driver, user):
    token, other = token_for(7), token_for(70)
    tabs = [await plain(node.port, token) for node in three.nodes for _ in range(2)]
    stays = [await plain(node.port, other) for node in three.nodes]
    sockets = Sockets(driver, "js-websocket")
    clients = []
    for node in three.nodes:
        for kind in KINDS:
            clients.append(await (await sockets.start(node.port, token, kind=kind)).opened())
    kept = [await (await sockets.start(node.port, other, kind="js-polling")).opened() for node in three.nodes]
    answer = await disconnect(three.nodes[1].port, {"user": user, "reason": "logged out"})
    assert answer["silent"] == [] and answer["data"] == {"sockets": len(tabs) + len(clients)}
    for tab in tabs:
        assert await tab.gone() == (4403, "logged out")
    for client in clients:
        await client.wait(lambda client=client: client.disconnects, "the end")
        # Disconnected by the server, a client does not reconnect by itself.
        assert client.disconnects[0] in TOLD
    for client in stays:
        assert await is_served(three.nodes[0].port, client)
        await client.close()
    async with three.publisher() as layer:
        await layer.group_send("user_70", {"type": "notice", "text": "still here"})
    for client in kept:
        assert await client.data("notice") == "still here"
    assert all(len(client.ids) == 1 for client in clients)
    assert sum(three.metric(node, "channelgate_closes_total", reason="kicked") for node in three.nodes) == len(
        tabs
    ) + len(clients)
    await sockets.close_all()


async def test_an_order_in_redis_reaches_every_node(three):
    tabs = [await plain(node.port, token_for(7)) for node in three.nodes for _ in range(2)]
    lobby = await Client.open(three.nodes[0].port, "/ws/lobby/")
    assert await publish(three, {"user": 7, "code": 4000, "reason": "gé"}) == 3
    for tab in tabs:
        assert await tab.gone() == (4000, "gé")
    # on_disconnect runs as for every end.
    assert await lobby.count(6) == [7] * 6
    # The user may come back.
    again = await plain(three.nodes[0].port, token_for(7))
    assert await is_served(three.nodes[0].port, again)
    await again.close()
    await lobby.close()


async def test_a_token_is_revoked_and_the_users_other_tokens_are_not(three):
    claims = {"jti": "the-one"}
    for number, by in enumerate(("token", "jti", "publish")):
        claims["jti"] = f"the-one-{number}"
        token, other = token_for(7, **claims), token_for(7)
        nodes = three.nodes
        tabs = [await plain(node.port, token) for node in nodes]
        stays = await plain(nodes[0].port, other)
        until_then = {"jti": claims["jti"], "until": int(time.time()) + 300}
        order = until_then if by == "jti" else {"token": token}
        if by == "publish":
            assert await publish(three, order) == 3
        else:
            assert (await disconnect(nodes[number].port, order))["data"] == {"sockets": 3}
        for tab in tabs:
            assert await tab.gone() == (4403, "")
        for node in nodes:
            assert await refusal(node.port, f"/ws/mine/?token={token}") == 403
        assert await is_served(nodes[0].port, stays)
        await stays.close()
    # A node that starts later knows it, too; the record expires, and contains no token.
    late = three.start_node(config=CONFIG)
    assert await refusal(late.port, f"/ws/mine/?token={token}") == 403
    assert three.metric(late, "channelgate_tokens_total", outcome="revoked") == 1
    connection = redis.Redis.from_url(three.redis_url)
    assert 0 < await connection.pttl("channelgate:revoked") <= 301_000
    for member in await connection.zrange("channelgate:revoked", 0, -1):
        assert token.rsplit(".", 1)[1].encode() not in member and b"the-one" not in member
    await connection.aclose()


async def test_one_socket_is_disconnected_by_its_id(three, sockets):
    token = token_for(7)
    tabs = [await plain(three.nodes[0].port, token, path) for path in ("/ws/mine/", "/ws/alone/")]
    stays = await plain(three.nodes[0].port, token)
    client = await sockets.start(three.nodes[1].port, token)
    await client.opened()
    for tab in tabs:
        await tab.send({"type": "whoami"})
        (told,) = await tab.count(1)
        assert (await disconnect(three.nodes[2].port, {"socket": told["id"]}))["data"] == {"sockets": 1}
        assert await tab.gone() == (4403, "")
    assert (await disconnect(three.nodes[2].port, {"socket": client.id}))["data"] == {"sockets": 1}
    await client.wait(lambda: client.disconnects, "the end")
    assert client.disconnects[0] in TOLD
    assert await is_served(three.nodes[0].port, stays)
    await stays.close()


async def test_a_client_that_should_reconnect_does(three, driver):
    """Without a disconnect packet, a Socket.IO client reconnects by itself."""
    sockets = Sockets(driver, "js-websocket")
    # python-socketio treats the end of a polling session as a disconnect by the server, and stays away.
    kinds = [kind for kind in KINDS if kind.startswith("js")]
    clients = [await (await sockets.start(three.nodes[0].port, token_for(7), kind=kind)).opened() for kind in kinds]
    tab = await plain(three.nodes[0].port, token_for(7))
    answer = await disconnect(three.nodes[1].port, {"user": 7, "reconnect": True})
    assert answer["data"] == {"sockets": len(clients) + 1}
    assert await tab.gone() == (1012, "")
    for client in clients:
        await client.opened(2)
        assert client.disconnects[0] not in TOLD
    await sockets.close_all()


async def test_all_namespaces_of_a_connection_end_with_its_user(one, driver):
    name = "two-namespaces"
    reports = []
    driver.listen(name, reports.append)
    port = one.nodes[0].port
    client = await driver.tell(
        "open",
        socket=name,
        url=f"http://{stack.LOOPBACK}:{port}",
        namespace="/",
        more=["/other"],
        auth={"token": token_for(7)},
        options={"transports": ["websocket"]},
    )
    assert client is None

    def seen(what: str) -> list:
        return sorted(report["namespace"] for report in reports if report["what"] == what)

    await until(lambda: seen("connect") == ["/", "/other"], "both namespaces")
    assert (await disconnect(port, {"user": 7}))["data"] == {"sockets": 1}
    await until(lambda: seen("disconnect") == ["/", "/other"], "the end of both")
    assert {report["reason"] for report in reports if report["what"] == "disconnect"} == {"io server disconnect"}
    await driver.tell("close", socket=name)


async def test_five_hundred_connections_of_one_user_end_at_once(three):
    token = token_for(7)
    ports = [node.port for node in three.nodes]
    clients = []
    for _ in range(10):
        clients += await asyncio.gather(*(plain(ports[number % 3], token) for number in range(50)))
    stays = await plain(ports[0], token_for(8))
    answer = await disconnect(ports[0], {"user": "7", "code": 4001})
    assert answer["data"] == {"sockets": 500} and answer["message"] == "500 connections disconnected"
    assert {await client.gone() for client in clients} == {(4001, "")}
    assert await is_served(ports[0], stays)
    await stays.close()


async def test_an_order_without_a_match_disconnects_no_client(three, sockets):
    stays = await plain(three.nodes[0].port, token_for(7))
    for order in ({"user": "8"}, {"jti": "7"}, {"token": "7"}, {"socket": "7"}, {"user": "07"}):
        answer = await disconnect(three.nodes[1].port, order)
        assert answer["data"] == {"sockets": 0} and answer["silent"] == []
    assert await is_served(three.nodes[0].port, stays)
    await stays.close()


async def test_an_invalid_order_names_its_field(one):
    port = one.nodes[0].port
    tab = await plain(port, token_for(7))
    wrong = {
        "body": [[], "text", 7],
        "user": [{}, {"user": ""}, {"user": None}, {"user": 7.5}, {"user": [7]}, {"code": 4000}],
        "token": [{"token": 7}, {"user": 7, "token": "x"}],
        "jti": [{"jti": ""}],
        "socket": [{"socket": {}}],
        "code": [{"user": 7, "code": code} for code in (0, 1005, 1006, 2000, 5000, "4000", 4000.5)],
        "reason": [{"user": 7, "reason": "x" * 124}, {"user": 7, "reason": 1}],
        "reconnect": [{"user": 7, "reconnect": "yes"}],
        "until": [{"user": 7, "until": 1}, {"jti": "x", "until": "tomorrow"}],
        "usr": [{"usr": 7}],
    }
    for field, bodies in wrong.items():
        for body in bodies:
            assert (await disconnect(port, body, 400))["field"] == field, body
    reply = await Http(port).post("/api/websocket/disconnect", body=b"{", token=API_KEY)
    assert (reply.status, reply.json()["field"]) == (400, "body")
    assert (await Http(port).get("/api/websocket/disconnect", token=API_KEY)).status == 405
    # An invalid order in Redis is counted, and has no other effect.
    bad = [b"", b"{", b"\xff\xfe", b"[]", b'{"usr": 7}', b'{"user": 7, "code": 1}', b'{"user": "' + b"x" * 40_000]
    for body in bad:
        assert await publish(one, body) == 1
    metric = "channelgate_revocations_total"
    await until(lambda: one.metric(one.nodes[0], metric, outcome="malformed") == len(bad), "all of them to be counted")
    assert await is_served(port, tab)
    assert (await disconnect(port, {"user": 7}))["data"] == {"sockets": 1}


async def test_only_admins_and_publishers_may_disconnect(one):
    port = one.nodes[0].port
    tab = await plain(port, token_for(7))
    for token in (None, "noise", API_KEY + "x", mint_person(1, "admin").token + "x"):
        await disconnect(port, {"user": 7}, 401, token)
    for role in ("user", "Admin", ""):
        await disconnect(port, {"user": 7}, 403, mint_person(2, role).token)
    # The order is not read before the access check.
    await disconnect(port, {"user": None}, 401, None)
    assert await is_served(port, tab)
    for token in (mint_person(1, "admin").token, API_KEY):
        assert (await disconnect(port, {"user": 7}, token=token))["data"]["sockets"] in (0, 1)
    assert await tab.gone() == (4403, "")
    # The publish API's key gives no other access here.
    assert (await Http(port).get("/api/websocket/stats", token=API_KEY)).status == 401


async def test_a_node_without_redis_disconnects_its_own_clients(system):
    node = system.start_node(config=CONFIG, REDIS_URL="")
    token = token_for(7, jti="alone")
    tabs = [await plain(node.port, token) for _ in range(2)]
    assert (await disconnect(node.port, {"jti": "alone"}))["data"] == {"sockets": 2}
    assert {await tab.gone() for tab in tabs} == {(4403, "")}
    assert await refusal(node.port, f"/ws/mine/?token={token}") == 403


async def test_a_node_that_was_cut_off_learns_of_an_order_later(three):
    far = await Proxy.start(three.redis.port)
    url = f"redis://{stack.LOOPBACK}:{far.port}/0"
    # In a thread, because the proxy must be served meanwhile.
    node = await asyncio.to_thread(three.start_node, config=CONFIG, REDIS_URL=url)
    near = three.nodes[0]
    revoked, fresh = token_for(8, jti="revoked-meanwhile"), token_for(7)
    tabs = [await plain(node.port, token_for(7), "/ws/alone/"), await plain(near.port, token_for(7))]
    by_token = await plain(node.port, revoked, "/ws/alone/")
    socket = await plain(node.port, token_for(9), "/ws/alone/")
    await socket.send({"type": "whoami"})
    (told,) = await socket.count(1)
    stays = await plain(node.port, token_for(10), "/ws/alone/")
    await far.cut()
    answer = await disconnect(near.port, {"user": 7, "reason": "over"})
    assert answer["data"] == {"sockets": 1} and len(answer["silent"]) == 1
    assert await publish(three, {"token": revoked, "code": 4010}) == 3
    assert await publish(three, {"socket": told["id"]}) == 3
    assert await tabs[1].gone() == (4403, "over")
    # The node has not received it: no connection is ended, and the token is not refused.
    late = await plain(node.port, revoked, "/ws/alone/")
    # And this one was opened after the order, which therefore does not apply to it.
    again = await plain(node.port, fresh, "/ws/alone/")
    for client in (tabs[0], by_token, socket, late, again):
        assert await is_served(node.port, client)
    await far.mend()
    assert await tabs[0].gone() == (4403, "over")
    assert await by_token.gone() == await late.gone() == (4010, "")
    assert await socket.gone() == (4403, "")
    assert await refusal(node.port, f"/ws/alone/?token={revoked}") == 403
    await until(
        lambda: three.metric(node, "channelgate_revocations_total", outcome="late") == 4, "all to be counted as late"
    )
    for client in (again, stays):
        assert await is_served(node.port, client)
        await client.close()
    await far.cut()


async def test_no_handshake_slips_through_while_its_token_is_revoked(three, driver):
    """At any moment: once the order is answered, no client with the token is connected, or stays so."""
    sockets = Sockets(driver, "js-websocket")
    ports = [node.port for node in three.nodes]
    for turn in range(12):
        jti = f"slips-{turn}"
        token = token_for(7, jti=jti)

        async def attempt(number: int, token=token):
            await asyncio.sleep(number * 0.001)
            if number % 8 == 7:
                socket = await sockets.start(ports[number % 3], token, reconnection=False)
                await socket.wait(lambda: socket.ids or socket.refusals or socket.disconnects, "an answer")
                return socket
            try:
                return await plain(ports[number % 3], token, "/ws/mine/" if number % 2 else "/ws/alone/")
            except websockets.InvalidStatus as error:
                assert error.response.status_code == 403
                return None

        attempts = [asyncio.create_task(attempt(number)) for number in range(48)]
        await asyncio.sleep(turn * 0.004)
        answer = await disconnect(ports[turn % 3], {"jti": jti})
        assert answer["silent"] == []
        for client in await asyncio.gather(*attempts):
            if isinstance(client, Client):
                assert await client.gone() == (4403, "")
            elif client is not None:
                await client.wait(lambda client=client: client.refusals or client.disconnects, "the end")
        await sockets.close_all()


SLOW = """
[backend]
url = "http://127.0.0.1:{port}/"
timeout = "60s"
[limits]
admission_timeout = "60s"

[[consumer]]
path = "/ws/slow/"
auth = ["jwt"]
[consumer.on_admit.call]
action = "look"

[[consumer]]
name = "slow"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
[consumer.on_admit.call]
action = "look"
"""


async def test_a_kick_during_a_handshake_ends_it(system, driver):
    """The backend is slow to admit a user who is disconnected meanwhile."""
    asked, answer = [], asyncio.Event()

    async def serve(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.append(writer)
        await answer.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    port = stack.free_port()
    server = await asyncio.start_server(serve, stack.LOOPBACK, port)
    node = system.start_node(config=SLOW.replace("{port}", str(port)))
    sockets = Sockets(driver, "js-websocket")
    opening = [asyncio.create_task(plain(node.port, token_for(7), "/ws/slow/")) for _ in range(2)]
    clients = [await sockets.start(node.port, token_for(7), kind=kind, reconnection=False) for kind in list(KINDS)[:2]]
    other = asyncio.create_task(plain(node.port, token_for(8), "/ws/slow/"))
    await until(lambda: len(asked) == 5, "all clients to be asked about")
    assert (await disconnect(node.port, {"user": 7}))["data"] == {"sockets": 4}
    answer.set()
    for task in opening:
        assert await (await task).gone() == (4403, "")
    await until(lambda: system.metric(node, "channelgate_connections") == 1, "only the other to be left")
    assert not any(client.ids for client in clients)
    await sockets.close_all()
    await (await other).close()
    server.close()


@pytest.mark.alone("bounds the time between the end of a token and the close")
async def test_a_connection_ends_with_its_token_if_the_consumer_is_configured_so(one, sockets):
    port = one.nodes[0].port
    token = token_for(7, 6)
    keeps = await plain(port, token)
    client = await sockets.start(port, token, namespace="/brief")
    await client.opened()
    await closes_in_time(port, {6: 0, 9: 0, 12: 0})
    await client.wait(lambda: client.disconnects, "the end")
    assert client.disconnects == ["io server disconnect"]
    assert await is_served(port, keeps)
    assert one.metric(one.nodes[0], "channelgate_closes_total", reason="expired") == 4
    await keeps.close()


async def closes_in_time(port: int, lifetimes: dict[float, float]) -> None:
    """Tokens with these lifetimes, and leeways, end their connections: none early, and at least one at once.

    A machine that stands still for a moment delays the others.
    """
    late = []

    async def ends(lifetime: float, leeway: float) -> None:
        token = token_for(7, lifetime)
        client = await plain(port, token, "/ws/ending/")
        assert client.closed is None
        assert await client.gone() == (4401, "token expired")
        late.append(time.time() - json.loads(_payload(token))["exp"] - leeway)

    await asyncio.gather(*(ends(*one) for one in lifetimes.items()))
    assert min(late) > -0.01 and min(late) < 1, late


def _payload(token: str) -> bytes:
    return base64.urlsafe_b64decode(token.split(".")[1] + "==")


@pytest.mark.alone("bounds the time between the end of a token and the close")
async def test_the_leeway_applies_to_the_expiry_too(system):
    node = system.start_node(config=CONFIG, CHANNELGATE__AUTH__JWT__LEEWAY="12s")
    # In whole seconds: the first has more than five left, and all of them have ended already.
    await closes_in_time(node.port, {-6: 12, -4: 12, -1: 12})


async def test_a_new_token_over_the_open_connection_keeps_it_open(one, sockets):
    port = one.nodes[0].port
    short = token_for(7, 15)
    client, ends = await plain(port, short, "/ws/ending/"), await plain(port, short, "/ws/ending/")
    socket = await sockets.start(port, short, namespace="/brief")
    await socket.opened()
    await client.send({"type": "refresh", "token": token_for(7, 300)})
    assert await client.count(1) == [{"type": "refreshed"}]
    assert await socket.ask("refresh", token_for(7, 300)) == ["ok"]
    assert await ends.gone() == (4401, "token expired")
    # The same deadline has passed for both, and they are still open.
    await client.send({"type": "refresh", "token": token_for(7, 12)})
    assert await client.count(2) == [{"type": "refreshed"}] * 2
    assert await socket.ask("refresh", token_for(7, 12)) == ["ok"]
    # A shorter one counts, too.
    assert await client.gone() == (4401, "token expired")
    await socket.wait(lambda: socket.disconnects, "the end")
    assert socket.disconnects == ["io server disconnect"]


async def test_an_invalid_new_token_is_denied_and_changes_nothing(one, sockets):
    port = one.nodes[0].port
    first = token_for(7, 25, jti="first", role="cook")
    client, ends = await plain(port, first), await plain(port, first, "/ws/ending/")
    socket = await sockets.start(port, first)
    await socket.opened()
    revoked = token_for(7, jti="taken-back")
    await disconnect(port, {"jti": "taken-back"})
    bad = [token_for(8), token_for(7, -5), revoked, "noise", "", None, 7, {"a": 1}, token_for(7)[:-4] + "AAAA"]
    messages = [{"type": "refresh", "token": token} for token in bad] + [{"type": "refresh"}]
    for number, message in enumerate(messages, start=1):
        for one_client in (client, ends):
            await one_client.send(message)
            assert (await one_client.count(number))[-1] == {"type": "denied"}, message
    for number, token in enumerate(bad, start=1):
        await socket.emit("refresh", token)
        await socket.args("denied", number)
    await client.send({"type": "whoami"})
    told = (await client.count(len(bad) + 2))[-1]
    assert (told["user"], told["role"]) == ({"id": 7, "role": "cook"}, "cook")
    # It lives as long as the first token.
    assert await ends.gone() == (4401, "token expired")
    assert one.metric(one.nodes[0], "channelgate_refused_messages_total", reason="refresh_denied") == 2 * 10 + 9
    # It still belongs to the first token, by which it is found.
    assert (await disconnect(port, {"jti": "first"}))["data"] == {"sockets": 2}
    assert await client.gone() == (4403, "")


async def test_a_new_token_replaces_the_old_one(one, sockets):
    port = one.nodes[0].port
    client = await plain(port, token_for(7, jti="old", role="cook"))
    socket = await sockets.start(port, token_for(7, jti="old", role="cook"))
    await socket.opened()
    new = token_for("7", jti="new", role="chef")
    await client.send({"type": "refresh", "token": new})
    assert await client.count(1) == [{"type": "refreshed", "role": "chef", "claim": "chef"}]
    assert await socket.ask("refresh", new) == ["chef"]
    # The old one no longer belongs to any connection.
    assert (await disconnect(port, {"jti": "old"}))["data"] == {"sockets": 0}
    assert await is_served(port, client)
    assert (await disconnect(port, {"jti": "new"}))["data"] == {"sockets": 2}
    assert await client.gone() == (4403, "")


@pytest.fixture
def cache(system):
    """Django's own cache backend, on the test's Redis."""
    return RedisCache(system.redis_url, {})


async def test_an_order_of_the_package_that_no_node_hears_is_kept(system, cache):
    """As the logout of a site while the only node has lost its Redis for a moment."""
    far = await Proxy.start(system.redis.port)
    url = f"redis://{stack.LOOPBACK}:{far.port}/0"
    # In a thread, because the proxy must be served meanwhile.
    node = await asyncio.to_thread(system.start_node, config=CONFIG, REDIS_URL=url)
    cache.set("ws_token_opaque", 8, timeout=600)
    mine, stays = [await plain(node.port, token_for(user), "/ws/alone/") for user in (7, 9)]
    by_token = await plain(node.port, "opaque", "/ws/noted/")
    await far.cut()
    connection = redis.Redis.from_url(system.redis_url)

    async def is_deaf() -> bool:
        ((_, subscribers),) = await connection.pubsub_numsub(CHANNEL)
        return subscribers == 0

    await until(is_deaf, "the node to hear nothing")
    with override_settings(CHANNELGATE={"REDIS_URL": system.redis_url}):
        assert await adisconnect(7, reason="over") == 0
        assert await adisconnect(token="opaque", code=4010) == 0
    for key in ("disconnected", "revoked"):
        assert 3_500_000 < await connection.pttl(f"channelgate:{key}") <= 3_600_000
    await connection.aclose()
    await far.mend()
    assert await mine.gone() == (4403, "over")
    assert await by_token.gone() == (4010, "")
    assert await refusal(node.port, "/ws/noted/?token=opaque") == 403
    assert await is_served(node.port, stays)
    await stays.close()
    await far.cut()


async def test_deleting_the_cached_token_ends_its_connections(three, cache):
    for name in ("one", "two"):
        cache.set(f"ws_token_{name}", 7, timeout=60)
    cache.set("ws_token_lasting", 7, timeout=None)
    tabs = {
        name: [await plain(node.port, name, "/ws/noted/") for node in three.nodes for _ in range(2)]
        for name in ("one", "two", "lasting")
    }
    cache.delete("ws_token_one")
    for tab in tabs["one"]:
        assert await tab.gone() == (4403, "token revoked")
    cache.delete("ws_token_lasting")
    for tab in tabs["lasting"]:
        assert await tab.gone() == (4403, "token revoked")
    for tab in tabs["two"]:
        assert tab.closed is None
        await tab.close()
    closes = [three.metric(node, "channelgate_closes_total", reason="revoked") for node in three.nodes]
    assert closes == [4, 4, 4]


async def test_a_cached_token_that_expires_ends_nothing(one, cache):
    node = one.nodes[0]
    cache.set("ws_token_shortened", 8, timeout=60)
    cache.set("ws_token_control", 9, timeout=60)
    # Time enough to open a connection with it, and for the looks that must see it.
    cache.set("ws_token_brief", 7, timeout=12)
    clients = [await plain(node.port, name, "/ws/noted/") for name in ("brief", "shortened")]
    control = await plain(node.port, "control", "/ws/noted/")
    # Replaced by one with less time, which was seen before it expired.
    cache.set("ws_token_shortened", 8, timeout=12)
    ended = ("ws_token_brief", "ws_token_shortened")
    await until(lambda: not any(cache.get(key) for key in ended), "the tokens to end")
    # They are still open several looks later, as the control shows.
    cache.delete("ws_token_control")
    assert await control.gone() == (4403, "token revoked")
    cache.set("ws_token_control", 9, timeout=60)
    control = await plain(node.port, "control", "/ws/noted/")
    cache.delete("ws_token_control")
    assert await control.gone() == (4403, "token revoked")
    for client in clients:
        assert client.closed is None
        await client.close()


async def test_a_cache_that_is_unreachable_or_comes_back_empty_has_deleted_nothing(one, cache):
    node = one.nodes[0]
    cache.set("ws_token_kept", 7, timeout=600)
    client = await plain(node.port, "kept", "/ws/noted/")
    one.redis.kill()

    async def is_ready() -> bool:
        return (await Http(node.port).get("/health/ready")).status == 200

    async def is_away() -> bool:
        return not await is_ready()

    await until(is_away, "Redis to be missed", 30)
    one.restart_redis()
    await until(is_ready, "Redis to be back", 30)

    async def looks_again() -> bool:
        """Whether a token of the new Redis is watched: one from before the first look at it is not."""
        cache.set("ws_token_new", 8, timeout=600)
        control = await plain(node.port, "new", "/ws/noted/")
        cache.delete("ws_token_new")
        try:
            assert await control.gone(1) == (4403, "token revoked")
            return True
        except AssertionError:
            await control.close()
            return False

    for _ in range(2):
        await until(looks_again, "a look")
    assert client.closed is None
    await client.close()


async def test_single_use_tokens_are_not_watched(system, cache):
    node = system.start_node(config=CONFIG, CHANNELGATE__AUTH__WS_TOKEN__SINGLE_USE="true")
    cache.set("ws_token_spent", 7, timeout=60)
    client = await plain(node.port, "spent", "/ws/noted/")
    assert cache.get("ws_token_spent") is None
    # A second or two of looks, had there been any: measured by a token that expires meanwhile.
    cache.set("clock", 1, timeout=1)
    await until(lambda: cache.get("clock") is None, "a second")
    assert client.closed is None
    await client.close()


async def test_a_site_that_logs_a_user_out_ends_its_sockets(system, database, sockets):
    """Django deletes the token that it issued, or publishes an order, in an ordinary view."""
    quick = {"CHANNELGATE__AUTH__WS_TOKEN__RECHECK": "200ms"}
    system.start_gate(2, database, **quick)
    web, person = Http(system.django.port), system.demo.person("ada")
    issued = (await web.get("/api/user/ws-token/", token=person.token)).json()["ws_token"]
    origin = {"origin": f"http://127.0.0.1:{system.port}"}
    path = f"/ws/notifications/?token={issued}"
    tabs = [await Client.open(node.port, path) for node in system.nodes]
    # Another tab's token replaces the first in the cache, which does not end the first.
    second = (await web.get("/api/user/ws-token/", token=person.token)).json()["ws_token"]
    tabs.append(await Client.open(system.port, f"/ws/notifications/?token={second}", **origin))
    assert (await web.post("/api/user/logout/ws-token/", token=person.token)).status == 204
    for tab in tabs:
        assert await tab.gone() == (4403, "token revoked")
    third = (await web.get("/api/user/ws-token/", token=person.token)).json()["ws_token"]
    tabs = [await Client.open(node.port, f"/ws/notifications/?token={third}") for node in system.nodes]
    client = await sockets.open(system.port, person)
    assert (await web.post("/api/user/logout/everything/", token=person.token)).status == 204
    for tab in tabs:
        assert await tab.gone() == (4403, "logged out")
    await client.wait(lambda: client.disconnects, "the end")
    assert client.disconnects == ["io server disconnect"]


async def test_a_browser_can_read_why_it_was_disconnected(one):
    port = one.nodes[0].port
    script = """
    Promise.all(%s.map((url) => new Promise((resolve) => {
        const socket = new WebSocket(url);
        socket.onopen = () => { window.opened = (window.opened ?? 0) + 1; };
        socket.onclose = (event) => resolve([event.code, event.reason, event.wasClean]);
    })))
    """
    base = f"ws://{stack.LOOPBACK}:{port}/ws"
    async with browser() as page:
        await page.goto(f"http://{stack.LOOPBACK}:{port}/health/live")
        urls = [f"{base}/mine/?token={token_for(7)}", f"{base}/ending/?token={token_for(8, 20)}"]
        told = asyncio.create_task(page.run(script % json.dumps(urls)))
        await until(lambda: page.run("window.opened === 2"), "both sockets to open")
        await disconnect(port, {"user": 7, "code": 4123, "reason": "von der Verwaltung gekündigt"})
        assert await in_time(60, told) == [
            [4123, "von der Verwaltung gekündigt", True],
            [4401, "token expired", True],
        ]


async def test_a_slow_client_is_disconnected_with_the_reason_too(system):
    """Waiting messages of a slow client are sent before the disconnect packet, and do not displace it."""
    notice = b'42["notice","' + b"x" * 1000 + b'"]'
    # There is room for nineteen of these, each in a frame, and for nothing more.
    node = system.start_node(config=CONFIG, CHANNELGATE__SOCKET__OUTBOX=str(19 * (len(notice) + 4) + 2))
    session = await Polling.open(node.port)
    await session.post(b"40" + json.dumps({"token": token_for(7)}).encode())
    assert (await session.get()).body.startswith(b"40{")
    async with system.publisher() as layer:
        for _ in range(19):
            await layer.group_send("user_7", {"type": "notice", "text": "x" * 1000})
        delivered = partial(system.metric, node, "channelgate_deliveries_total")
        await until(lambda: delivered() >= 19, "all messages to wait")
    assert (await disconnect(node.port, {"user": 7}))["data"] == {"sockets": 1}
    packets = []
    while b"1" not in packets:
        packets += (reply := await session.get()).body.split(SEPARATOR)
        assert reply.status == 200 and len(packets) <= 21, packets
    assert packets == [notice] * 19 + [b"41", b"1"]
