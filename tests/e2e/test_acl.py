"""Least rights: the manual's Redis user is enough for everything that a node does, and nothing waits for more."""

import asyncio
import re

import pytest
import redis.asyncio as redis
import socketio
import stack
from rig import acl
from rig.client import DEADLINE, Client, refusal, until
from rig.deadline import in_time
from rig.demo import access_claims, mint, mint_person
from rig.http import Http
from rig.log import whole_log
from rig.shop import stranger, user_ids
from rig.system import API_KEY, LAYERS, System

ALWAYS = ("every node", "cluster", "presence")
OF_LAYERS = {"core": ("core layer",), "pubsub": ("pub/sub layer",), "both": ("core layer", "pub/sub layer")}
FEED = 'presets = ["feed"]\n'
NOTED = """
presets = ["parking"]
[auth.ws_token]
recheck = "200ms"
"""
SOURCES = """
presets = ["feed"]
[[source]]
pattern = "orders:*"
group = "broadcast"
[[source]]
channel = "plane"
group = "broadcast"
"""


@pytest.fixture
def least(tmp_path):
    """Nodes with the rights of some features and no others; a command that Redis refuses fails the test."""
    started = []

    def start(*features: str, layer: str = "core", nodes: int = 1, config: str | None = FEED, **env: str) -> System:
        system = System(tmp_path, LAYERS["pubsub" if layer == "pubsub" else "core"])
        started.append(system)
        system.least_rights(*ALWAYS, *OF_LAYERS[layer], *features)
        for _ in range(nodes):
            system.start_node(wait=False, config=config, CHANNELGATE_LAYER=layer, **env)
        system.wait()
        return system

    yield start
    for system in started:
        system.stop()


async def looked_for(cache: redis.Redis, key: str, times: int = 1) -> None:
    """Waits until the node has looked for a key so often."""

    async def looks() -> None:
        left = times
        async with cache.monitor() as monitor:
            async for command in monitor.listen():
                left -= command["command"] == f"PTTL {key}"
                if not left:
                    return

    await in_time(DEADLINE, looks())


async def nothing_was_refused(system) -> None:
    assert await asyncio.to_thread(acl.denied, system.redis.port) == []


@pytest.mark.parametrize("layer", OF_LAYERS)
async def test_events_of_either_layer_and_of_a_node(least, layer):
    system = least(layer=layer, nodes=2, CHANNELGATE__LAYER__LINGER="0s")
    clients = [await Client.open(node.port, "/ws/") for node in system.nodes]
    async with system.publisher() as publisher:
        for number in range(20):
            await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": number})
        for client in clients:
            await client.count(20)
    body = {"group": "broadcast", "event": {"type": "send_event", "event": "n", "data": 20}}
    assert (await Http(system.nodes[0].port).post("/api/publish", data=body, token=API_KEY)).status == 200
    for client in clients:
        await client.count(21)
        assert [frame["data"] for frame in client.json()] == list(range(21))
        await client.close()
    again = await Client.open(system.nodes[0].port, "/ws/")
    await again.close()
    for node in system.nodes:
        node.stop()
    await nothing_was_refused(system)


async def test_the_cluster(least):
    system = least("emitters", nodes=2, config='presets = ["repair-shop"]\n')
    admin = mint_person(1, "admin").token
    web = Http(system.nodes[0].port)

    async def both() -> bool:
        reply = await web.get("/api/websocket/stats", token=admin)
        return reply.status == 200 and len(reply.json()["data"]["perNode"]) == 2

    await until(both, "both nodes to know each other")
    token = mint(**access_claims(7), user_id=7)
    for order in ({"user": 7}, {"token": token}, {"jti": "one", "until": 4_000_000_000}):

        async def all_answer(order=order) -> bool:
            reply = await web.post("/api/websocket/disconnect", data=order, token=API_KEY)
            assert reply.status == 200, reply
            return reply.json()["silent"] == []

        await until(all_answer, "both nodes to answer in time")
    await nothing_was_refused(system)


async def test_presence_and_user_limits(least, sockets):
    system = least(
        "emitters",
        "places of users",
        nodes=2,
        config='presets = ["repair-shop"]\n',
        CHANNELGATE__LIMITS__CONNECTIONS_PER_USER="2",
        CHANNELGATE__CLUSTER__HEARTBEAT="2s",
    )
    person = stranger()
    watcher = await sockets.open(system.nodes[1].port, mint_person(stranger().id, person.role))
    tabs = [await sockets.open(node.port, person) for node in system.nodes]
    await watcher.wait(lambda: person.id in user_ids(watcher, "user_online"), "somebody to come")
    third = await sockets.start(system.nodes[0].port, person.token)
    assert "too many" in (await third.refused())["message"]
    # One leaves, the other one's node dies: another node reports it.
    await sockets.close(tabs[1])
    system.nodes[0].kill()
    await watcher.wait(lambda: person.id in user_ids(watcher, "user_offline"), "somebody to be missed")
    await nothing_was_refused(system)


@pytest.mark.parametrize("single_use", ["false", "true"])
async def test_ws_tokens(least, single_use):
    system = least("ws-tokens", config=NOTED, CHANNELGATE__AUTH__WS_TOKEN__SINGLE_USE=single_use)
    node = system.nodes[0]
    reply = await Http(node.port).get("/api/user/ws-token/", token=mint(**access_claims(7), user_id=7))
    assert reply.status == 200, reply
    path = f"/ws/notifications/?token={reply.json()['ws_token']}"
    client = await Client.open(node.port, path)
    assert await refusal(node.port, path) == (403 if single_use == "true" else 101)
    await client.close()
    await nothing_was_refused(system)


#: Redis users without the right to INFO.
CAREFUL = {
    "the manual's": None,
    "without @dangerous": ["+@all", "-@dangerous", "~*", "&*"],
    "without INFO": ["+@all", "-info", "~*", "&*"],
    "without @admin": ["+@all", "-@admin", "-info", "~*", "&*"],
}


@pytest.mark.parametrize("user", CAREFUL)
@pytest.mark.parametrize("token", ["jwt", "opaque"])
async def test_a_deleted_token_ends_its_connections_with_any_redis_rights(least, user, token):
    system = least("ws-tokens", config=NOTED)
    node = system.nodes[0]
    if rule := CAREFUL[user]:
        async with redis.from_url(system.redis_url) as connection:
            await connection.execute_command("ACL", "SETUSER", acl.USER, "reset", "on", f">{acl.PASSWORD}", *rule)
    async with redis.from_url(system.redis_url) as cache:
        shown = "opaque-one"
        if token == "jwt":
            access = mint(**access_claims(7), user_id=7)
            shown = (await Http(node.port).get("/api/user/ws-token/", token=access)).json()["ws_token"]
        else:
            await cache.set(":1:ws_token_opaque-one", 7, ex=600)
        client = await Client.open(node.port, f"/ws/notifications/?token={shown}")
        stays = None
        await cache.set(":1:ws_token_opaque-two", 8, ex=600)
        stays = await Client.open(node.port, "/ws/notifications/?token=opaque-two")
        # It is seen to exist before it is deleted.
        await looked_for(cache, ":1:ws_token_7" if token == "jwt" else ":1:ws_token_opaque-one")
        await cache.delete(":1:ws_token_7", ":1:ws_token_opaque-one")
    assert (await client.gone())[0] == 4403
    assert stays.closed is None
    await stays.close()
    if not rule:
        await nothing_was_refused(system)


async def test_a_token_shown_before_the_first_look_is_watched(least):
    """Like after a restart of a node, when all clients come at once."""
    system = least("ws-tokens", config=NOTED)
    async with redis.from_url(system.redis_url) as cache:
        await cache.execute_command("ACL", "SETUSER", acl.USER, "-setex")
        node = system.start_node(config=NOTED, CHANNELGATE_LAYER="core")
        await cache.set(":1:ws_token_one", 7, ex=600)
        client = await Client.open(node.port, "/ws/notifications/?token=one")
        await asyncio.sleep(0.5)
        await cache.execute_command("ACL", "SETUSER", acl.USER, "+setex")
        # One look may have begun before.
        await looked_for(cache, ":1:ws_token_one", 2)
        await cache.delete(":1:ws_token_one")
    assert (await client.gone())[0] == 4403


async def test_a_redis_that_restarts_has_deleted_nothing(least):
    """Also if the node may not ask for the run id of Redis."""
    system = least("ws-tokens", config=NOTED, CHANNELGATE__LAYER__PROBE_INTERVAL="200ms")
    async with redis.from_url(system.redis_url) as cache:
        await cache.set(":1:ws_token_one", 7, ex=600)
    client = await Client.open(system.nodes[0].port, "/ws/notifications/?token=one")
    await asyncio.sleep(1)
    system.redis.kill()
    await asyncio.sleep(0.5)
    await asyncio.to_thread(system.restart_redis)
    await asyncio.sleep(3)
    assert client.closed is None
    # Neither has a flush; and a deletion after it is noticed again.
    async with redis.from_url(system.redis_url) as cache:
        await cache.flushall()
        await asyncio.sleep(1)
        assert client.closed is None
        await cache.set(":1:ws_token_two", 7, ex=600)
        other = await Client.open(system.nodes[0].port, "/ws/notifications/?token=two")
        await looked_for(cache, ":1:ws_token_two", 2)
        await cache.delete(":1:ws_token_two")
        assert (await other.gone())[0] == 4403
    assert client.closed is None
    await client.close()


async def test_emitters_and_sources(least, sockets):
    system = least("emitters", "sources", config=SOURCES)
    feed = await Client.open(system.nodes[0].port, "/ws/")
    async with redis.from_url(system.redis_url) as bus:
        await bus.publish("orders:7", b'{"type": "send_event", "event": "n", "data": 1}')
        await bus.publish("plane", b'{"type": "send_event", "event": "n", "data": 2}')
    assert sorted(frame["data"] for frame in await feed.count(2)) == [1, 2]
    await feed.close()
    system.nodes[0].stop()
    node = system.start_node(config='presets = ["repair-shop"]\n', CHANNELGATE_LAYER="core")
    client = await sockets.open(node.port, mint_person(7))
    manager = socketio.AsyncRedisManager(system.redis_url, write_only=True)
    await manager.emit("told", {"n": 1}, namespace="/", room="user_7")
    assert await client.data("told") == {"n": 1}
    await manager.redis.aclose()
    await nothing_was_refused(system)


@pytest.mark.parametrize("layer", ["core", "pubsub"])
async def test_calls_to_a_worker(least, sockets, database, layer):
    system = least("emitters", "calls to a worker", layer=layer, nodes=0)
    system.start_gate(1, database, "worker", 'presets = ["tracker"]\n', CHANNELGATE_LAYER=layer)
    ann = await sockets.open(system.nodes[0].port, system.demo.person("ann"))
    await ann.emit("markAttendance", {"sessionId": await system.demo.session()})
    assert (await ann.data("attendanceMarked"))["success"] is True
    await nothing_was_refused(system)


async def test_a_permission_error_names_its_command(least):
    """The log has the command and the page; readiness has it, too."""
    system = least("ws-tokens", config=NOTED, CHANNELGATE__CLUSTER__HEARTBEAT="500ms")
    node = system.nodes[0]
    async with redis.from_url(system.redis_url) as bus:
        for number, (right, said) in enumerate(
            {
                "pttl": "PTTL is not allowed",
                "set": "a script is not allowed",
                "publish": "PUBLISH is not allowed",
                "zadd": "ZADD is not allowed",
            }.items()
        ):
            # Each a different user, so that there is a group to join.
            await bus.set(f":1:ws_token_{right}", number, ex=600)
            await until(lambda: Http(node.port).request_now("GET", "/health/ready").status == 200, "readiness")
            await bus.execute_command("ACL", "SETUSER", acl.USER, f"-{right}")
            waiting = asyncio.create_task(refusal(node.port, f"/ws/notifications/?token={right}"))
            await until(lambda said=said: said in node.log.read_text(), f"the log to say: {said}")
            await bus.execute_command("ACL", "SETUSER", acl.USER, f"+{right}")
            await waiting
    lines = [line for line in whole_log(node).splitlines() if " is not allowed: " in line]
    assert all("docs/operations/redis-acl.md" in line for line in lines), lines


def test_nothing_dangerous_is_needed():
    """The rights of the manual are single commands, and none of those that reach beyond a node's own keys."""
    rights = acl.rights()
    assert not [right for right in rights if right.startswith("+@") or right in ("~*", "&*", "allkeys", "allchannels")]
    server = {"info", "keys", "scan", "config", "monitor", "flushdb", "flushall", "debug", "acl", "shutdown", "cluster"}
    assert not {right[1:].split("|")[0] for right in rights if right[0] == "+"} & server


def test_every_command_in_the_source_is_in_the_manual():
    """Including commands that are seldom needed."""
    sources = [path for kind in ("rs", "lua") for path in (stack.ROOT / "src").rglob(f"*.{kind}")]
    text = "\n".join(path.read_text() for path in sources if path.name != "tests.rs")
    asked = {name.lower() for name in re.findall(r"""(?:\bcmd\(|redis\.p?call\()["'](\w+)["']""", text)}
    allowed = {right[1:].split("|")[0] for right in acl.rights(*acl.rows()) if right[0] == "+"}
    # Sentinels have users of their own, and the manual names that right beside the table's.
    assert len(asked) > 25 and asked - allowed == {"sentinel"}


async def test_every_right_of_the_manual_is_known_to_redis(system):
    assert system.redis.running
    url = await asyncio.to_thread(acl.set_user, system.redis.port, *acl.rows())
    async with redis.from_url(url) as connection:
        assert await connection.ping()
    assert stack.LOOPBACK in url
