"""The address of Redis in every form of channels_redis and redis-py, and what a node says about a full Redis."""

import asyncio
import json

import pytest
import redis.asyncio as redis
import stack
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from channels_redis.utils import create_pool, decode_hosts
from rig import check
from rig.client import Client, until
from rig.config import ROOMS
from rig.http import Http

QUICK = {"CHANNELGATE__LAYER__PROBE_INTERVAL": "200ms"}


def forms(port: int, socket: str) -> list[tuple[object, str, int]]:
    """A host as in Django's settings, and the user and database that redis-py uses for it."""
    at = f"127.0.0.1:{port}"
    return [
        (f"redis://one:pw-one@{at}/1", "one", 1),
        (f"redis://{at}?db=2&username=one&password=pw-one", "one", 2),
        (f"redis://{at}/9?db=3&username=two&password=pw%252Dtwo", "two", 3),
        (f"redis://two:pw-two@{at}/12?username=one&password=wrong", "two", 12),
        (f"unix://one:pw-one@{socket}?db=4", "one", 4),
        (f"unix://{socket}?db=5&username=two&password=pw-two", "two", 5),
        (("127.0.0.1", port), "default", 0),
        ({"host": "127.0.0.1", "port": port, "db": 6, "username": "one", "password": "pw-one"}, "one", 6),
        ({"host": "localhost", "port": str(port), "db": "7"}, "default", 7),
        ({"address": f"redis://{at}", "db": 8, "username": "two", "password": "pw-two"}, "two", 8),
        ({"address": f"redis://one:pw-one@{at}/9", "db": 8, "username": "two"}, "one", 9),
        ({"address": f"redis://{at}/10", "socket_keepalive": True, "health_check_interval": 30}, "default", 10),
        (f"redis://one:@{at}/11", "one", 11),
    ]


async def seen(connection: redis.Redis) -> set[tuple[str, int]]:
    return {(client["user"], int(client["db"])) for client in await connection.client_list()}


def as_toml(value: object) -> str:
    match value:
        case dict():
            return "{ " + ", ".join(f"{key} = {as_toml(item)}" for key, item in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(as_toml(item) for item in value) + "]"
        case _:
            return json.dumps(value)


@pytest.fixture
async def users(system):
    """A Redis with two users and a unix socket."""
    socket = system.directory / "of-redis.sock"
    system.redis.stop()
    arguments = ["--unixsocket", str(socket)]
    system.redis = system._start(stack.redis(system.directory, system.redis.port, "users", arguments))
    connection = redis.Redis(port=system.redis.port)
    for name in ("one", "two"):
        await connection.execute_command("ACL", "SETUSER", name, "on", f">pw-{name}", "allkeys", "allchannels", "+@all")
    # The last form has no password: this user needs none.
    await connection.execute_command("ACL", "SETUSER", "one", "nopass")
    yield connection, str(socket)
    await connection.aclose()


@pytest.mark.parametrize("written", ["toml", "json", "variable"])
async def test_a_host_in_any_form_is_the_redis_that_redis_py_connects_to(system, users, written):
    connection, socket = users
    table = forms(system.redis.port, socket)
    for host, user, db in table:
        theirs = redis.Redis(connection_pool=create_pool(decode_hosts([host])[0]))
        assert await theirs.acl_whoami() in (user, user.encode()), host
        assert (user, db) in await seen(connection), host
        await theirs.aclose()
    hosts = [host for host, _, _ in table]
    config, env = ROOMS, dict(QUICK)
    match written:
        case "toml":
            config += f"\n[layer]\nhosts = {as_toml(hosts)}\n"
        case "variable":
            env["CHANNELGATE__LAYER__HOSTS"] = as_toml(hosts)
        case "json":
            env["CHANNELGATE__LAYER__HOSTS"] = json.dumps(hosts)
    node = system.start_node(config=config, **env)
    await until(lambda: _is_ready(node), "every host to serve")
    expected = {(user, db) for _, user, db in table}
    assert expected <= await seen(connection)
    # The same list, so the same ring: events of every room arrive.
    for layer in (RedisChannelLayer(hosts=hosts), RedisPubSubChannelLayer(hosts=hosts)):
        clients = [await Client.open(node.port, f"/room/{number}/") for number in range(20)]
        for number in range(20):
            await layer.group_send(f"room_{number}", {"type": "said", "number": number})
        for number, client in enumerate(clients):
            assert await client.count(1) == [{"type": "said", "number": number}]
            await client.close()
        await (layer.close_pools() if isinstance(layer, RedisChannelLayer) else layer.flush())


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:{port}?db=3&client_name=gate",
        "valkey://127.0.0.1:{port}/3?client_name=gate",
        '{{"host": "127.0.0.1", "port": {port}, "db": 3, "client_name": "gate"}}',
        '{{ host = "127.0.0.1", port = {port}, db = 3, client_name = "gate" }}',
    ],
)
async def test_redis_url_may_have_any_form(system, url):
    node = system.start_node(REDIS_URL=url.format(port=system.redis.port))
    connection = redis.Redis(port=system.redis.port)

    async def named() -> list[dict]:
        return [client for client in await connection.client_list() if client["name"] == "gate"]

    async def has_all() -> bool:
        return len(await named()) >= 3

    await until(has_all, "the connections of the node")
    assert {client["db"] for client in await named()} == {"3"}
    await connection.aclose()
    node.stop()


WRONG = [
    ('[layer]\nurl = "redis://h?pasword=x"', "layer.url", 'did you mean "password"'),
    ('[layer]\nurl = "redis://h?max_connections=5"', "layer.url", "cache.pool"),
    ('[layer]\nurl = "redis://h?ssl_ca_certs=/ca.pem"', "layer.url", "rediss://"),
    ('[layer]\nurl = "rediss://h?ssl_cert_reqs=CERT_NONE"', "layer.url", '"none"'),
    ('[layer]\nurl = "redis://h?password="', "layer.url", "no value"),
    ('[layer]\nurl = ["redis://h"]', "layer.url", '["10.0.0.1", 6379]'),
    ("[layer]\nurl = 6379", "layer.url", "a Redis URL, a pair"),
    ('[layer]\nhosts = ["redis://h", { hots = "h" }]', "layer.hosts", 'did you mean "host"'),
    ('[layer]\nhosts = [["h", 6379, 0]]', "layer.hosts", '["10.0.0.1", 6379]'),
    ('[layer]\nhosts = [{ host = "h", ssl_ca_certs = "/ca.pem" }]', "layer.hosts", "ssl = true"),
    ('[layer]\nhosts = [{ sentinels = [["h", 1]] }]', "layer.hosts", "master_name"),
    ('[cache]\nurl = "redis://leader,redis://replica?dbb=1"', "cache.url", 'did you mean "db"'),
    ('[layer]\nchannel_capacity = { "/a(?=b)/" = 1 }', "layer.channel_capacity", "look-around"),
    ('[layer]\nchannel_capacity = { "http/*" = 1 }', "layer.channel_capacity", "/…/"),
]


def test_what_an_address_of_redis_cannot_mean_is_refused_with_what_to_write(tmp_path):
    for text, key, said in WRONG:
        verdict = check.run(tmp_path, text)
        assert verdict.code == 2 and any(key in line and said in line for line in verdict.lines), (text, verdict)
    for text in (
        '[cache]\nurl = "redis://leader/1,redis://replica/1"',
        '[cache]\nurl = "redis://leader/1;redis://replica/1"',
        '[cache]\nurl = { address = "rediss://h", ssl_cert_reqs = "none" }',
        '[layer]\nchannel_capacity = { "/^http\\\\.request$/" = 200, "websocket.send!*" = 5 }',
    ):
        verdict = check.run(tmp_path, text)
        assert verdict.code == 0, (text, verdict)
    # The commas between the Sentinels of one URL do not separate hosts.
    several = "redis+sentinel://a:1,b:2,c/mymaster, redis://d"
    shown = check.run(tmp_path, "", command="print-config", CHANNELGATE__LAYER__HOSTS=several).output
    assert 'hosts = [\n    "***",\n    "***",\n]' in shown, shown


async def test_a_full_redis_is_said_by_readiness(bus):
    """The core layer cannot deliver then; the pub/sub layer can, but nodes cannot write what they share."""
    kind = bus.layer.kind
    node = bus.start_node(config=ROOMS, CHANNELGATE_LAYER=kind, CHANNELGATE__CLUSTER__HEARTBEAT="200ms", **QUICK)
    client = await Client.open(node.port, "/room/a/")
    connection = redis.Redis.from_url(bus.redis_url)
    await connection.config_set("maxmemory", 1)

    async def says_so() -> bool:
        answer = await Http(node.port).get("/health/ready")
        said = json.loads(answer.body)
        expected = (200, "degraded") if kind == "pubsub" else (503, "not ready")
        return "OOM" in said.get("reason", "") and (answer.status, said["status"]) == expected

    await until(says_so, "readiness to say that Redis is full")
    if kind == "pubsub":
        async with bus.publisher() as publisher:
            await publisher.group_send("room_a", {"type": "said"})
            assert await client.count(1) == [{"type": "said"}]
    await connection.config_set("maxmemory", 0)

    await until(lambda: _is_ready(node), "readiness to be as before")
    await client.close()
    await connection.aclose()


async def test_two_nodes_with_one_address_are_named_by_both(system):
    env = {"CHANNELGATE__CLUSTER__ADDRESS": "127.0.0.1:7777", "CHANNELGATE__CLUSTER__HEARTBEAT": "200ms"}
    nodes = [system.start_node(wait=False, **env) for _ in range(2)]
    system.wait()

    async def said(node) -> str:
        return json.loads((await Http(node.port).get("/health/ready")).body).get("reason", "")

    for node in nodes:
        for text in (lambda node=node: said(node), lambda node=node: asyncio.to_thread(node.log.read_text)):
            await until(lambda text=text: _contains(text(), "has the address 127.0.0.1:7777"), "the other is named")
        assert (await Http(node.port).get("/health/ready")).status == 200
    await asyncio.to_thread(nodes[0].stop)

    async def alone() -> bool:
        return await said(nodes[1]) == ""

    await until(alone, "the other node to be forgotten")


async def _is_ready(node) -> bool:
    return json.loads((await Http(node.port).get("/health/ready")).body) == {"status": "ready"}


async def _contains(text, part: str) -> bool:
    return part in await text
