"""Redis as the channel layer, as the cache and between nodes; other channels; and calls to Django."""

import asyncio
import itertools
import json
import signal
import time
from pathlib import Path

import msgpack
import redis.asyncio as redis
import stack
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from rig.client import DEADLINE, Client, until
from rig.door import connect
from rig.raw import TEXT

from . import OfNode
from .world import Site, becomes, token

numbers = itertools.count(1)
#: A room per client; a fence of the node's own publish API.
ROOMS = """
[[consumer]]
path = "/ws/<str:name>/"
groups = ["r_{{ route.name }}"]
[consumer.on_event."*"]
send = "{'n': event.n}"
"""
ASKS = """
[[consumer]]
path = "/ws/"
[consumer.on_message."*"]
[consumer.on_message."*".call]
action = "ask"
data = "message.n"
ok = { reply = "'ok'" }
error = { reply = "'error'" }
"""
SOCKETIO = """
[[consumer]]
path = "/socket.io/"
protocol = "socket.io"
auth = ["jwt"]
groups = ["user_{{ user.id }}"]
"""
#: It tells its clients the node's name.
HELLO = '[[consumer]]\npath = "/hello/"\n[consumer.hello]\nsend = "node"\n'
NOTED = '[[consumer]]\npath = "/ws/"\nauth = ["ws_token"]\n'


def by_layer(kind: str = "core", n: str = "event", **options):
    """Publishes like channels_redis."""

    async def publish(site: Site, url: str, group: str) -> None:
        layer = (RedisChannelLayer if kind == "core" else RedisPubSubChannelLayer)(hosts=[url], **options)
        await layer.group_send(group, {"type": "x", "n": n})
        await (layer.close_pools() if kind == "core" else layer.flush())

    return publish


def plainly(prefix: str = "channelgate:", size: int = 0, n: str = "event"):
    """Publishes like any program with access to Redis."""

    async def publish(site: Site, url: str, group: str) -> None:
        async with redis.from_url(url) as bus:
            await bus.publish(f"{prefix}{group}", json.dumps({"n": n, "text": "x" * size}))

    return publish


def heard(*publishes, at=None):
    """The events that a client receives, until one that comes in any case."""

    async def look(site: Site):
        name = f"{next(numbers)}-{time.monotonic_ns()}"
        client = await Client.open(site.port, f"/ws/{name}/")
        url = at(site) if at else site.redis_url
        for publish in publishes:
            await publish(site, url, f"r_{name}")
        # Enough time for channels without a subscription; more if nothing else comes that shows that time has passed.
        quiet = 0.7 if site.expected else 3.7
        found = await site.settled(lambda: sorted(frame["n"] for frame in client.json()), quiet)
        await client.close()
        return found

    return look


def other_redis(site: Site) -> str:
    """A second Redis of the row's two nodes."""
    return f"redis://{stack.LOOPBACK}:{SECOND.port}/0"


class _Second:
    """Started with the first row that needs it."""

    port = 0


SECOND = _Second()


async def queue_of_worker(site: Site) -> list[bytes]:
    """The message for a worker that does not run."""
    client = await Client.open(site.port, "/ws/")
    await client.send({"type": "x", "n": 1})
    async with site.bus() as bus:
        waiting = await until(lambda: bus.zrange("asgicalls", 0, -1), "a call")
    client.connection.transport.abort()
    return waiting


async def is_json(site: Site):
    (member,) = await queue_of_worker(site)
    return b'{"' in member


async def prefix_length(site: Site):
    (member,) = await queue_of_worker(site)
    for length in (12, 20):
        try:
            if msgpack.unpackb(member[length:])["type"] == "channelgate.call":
                return length
        except (ValueError, TypeError, msgpack.UnpackException):
            continue
    return None


async def expiry_of_queue(site: Site):
    await queue_of_worker(site)
    async with site.bus() as bus:
        return await bus.ttl("asgicalls") > 30


async def queued(site: Site):
    """How many of three calls appear in one client's and two others' names."""
    clients = [await Client.open(site.port, "/ws/") for _ in range(3)]
    for client in clients:
        await client.send({"type": "x", "n": 1})
    async with site.bus() as bus:
        waiting = await site.settled(lambda: bus.zcard("asgicalls"), 2)
    for client in clients:
        client.connection.transport.abort()
    return waiting


async def expiry_of_group(site: Site):
    client = await Client.open(site.port, "/ws/a/")
    async with site.bus() as bus:
        left = await bus.ttl("asgi:group:r_a")
    await client.close()
    return left > 1000


async def receive_queues(site: Site):
    """The number of queues over which thirty groups are spread."""
    clients = [await Client.open(site.port, f"/ws/{number}/") for number in range(30)]
    queues = set()
    async with site.bus() as bus:
        async for key in bus.scan_iter("asgi:group:r_*", count=1000):
            for member in await bus.zrange(key, 0, -1):
                queues.add(member.split(b"!")[0])
    for client in clients:
        client.connection.transport.abort()
    return len(queues)


async def lingers(site: Site):
    name = f"linger{time.monotonic_ns()}"
    client = await Client.open(site.port, f"/ws/{name}/")
    await client.close()
    channel = f"channelgate:r_{name}"
    async with site.bus() as bus:

        async def is_left() -> bool:
            return dict(await bus.pubsub_numsub(channel))[channel.encode()] == 0

        # Longer than a group stays by default.
        return 0 if await becomes(is_left, site.patience(7, of=0)) else 1


async def probes(site: Site):
    """The number of probes, up to ten, in six seconds: some more than come by default."""
    async with site.bus() as bus, bus.pubsub() as listener:
        await listener.psubscribe("channelgate:probe:*")
        end, count = time.monotonic() + 6, 0
        while time.monotonic() < end and count < 10:
            message = await listener.get_message(ignore_subscribe_messages=True, timeout=0.2)
            count += message is not None
    return count


async def ready(site: Site) -> int:
    return await asyncio.to_thread(stack.http_status, site.port, "/health/ready")


async def is_ready_without_redis(site: Site):
    """The status within four seconds, or later if it is expected to change."""
    site.redis.signal(signal.SIGSTOP)

    async def fails() -> bool:
        return await ready(site) == 503

    failed = await becomes(fails, site.patience(4, of=503))
    site.redis.signal(signal.SIGCONT)
    return 503 if failed else 200


async def is_ready_again(site: Site):
    site.redis.signal(signal.SIGSTOP)

    async def fails() -> bool:
        return await ready(site) == 503

    await until(fails, "the node to notice")
    site.redis.signal(signal.SIGCONT)

    async def is_back() -> bool:
        return await ready(site) == 200

    return 200 if await becomes(is_back, site.patience(5, of=200)) else 503


async def gaps_after_a_pause(site: Site):
    client = await Client.open(site.port, "/ws/a/")
    site.redis.signal(signal.SIGSTOP)
    await asyncio.sleep(3)
    site.redis.signal(signal.SIGCONT)

    async def counted() -> bool:
        return await site.metric("channelgate_gaps_total") > 0

    found = await becomes(counted, site.patience(5))
    await client.close()
    return found


def emitted(channel: str = "socketio", data="text", node: bool = False):
    """The arguments that a Socket.IO client gets from an emitter, or None."""

    async def look(site: Site):
        user = time.monotonic_ns() % 10**9
        raw, answer = await connect(site.port, token(user))
        assert answer.startswith("40{"), answer
        async with site.bus() as bus:
            if node:
                packet = {"type": 2, "data": ["told", data], "nsp": "/"}
                body = ["emitter", packet, {"rooms": [f"user_{user}"], "except": [], "flags": {}}]
                await bus.publish(f"{channel}#/#user_{user}#", msgpack.packb(body))
            else:
                body = {"method": "emit", "event": "told", "data": data, "namespace": "/", "room": f"user_{user}"}
                body |= {"skip_sid": None, "callback": None, "host_id": "emitter", "binary": False}
                await bus.publish(channel, json.dumps(body))
        within = DEADLINE if site.expected else 3
        try:
            async with asyncio.timeout(within):
                while True:
                    opcode, payload = await raw.read(within)
                    if opcode == TEXT and payload.startswith(b"42"):
                        return json.loads(payload[2:])[1:]
        except TimeoutError:
            return None
        finally:
            raw.abort()

    return look


def cached(prefix: str = ":1:", at=None):
    async def look(site: Site):
        async with site.bus(at(site) if at else None) as cache:
            await cache.set(f"{prefix}ws_token_{site.name}", 7, ex=60)
        return await site.status(f"/ws/?token={site.name}")

    return look


async def connections_to_the_cache(site: Site):
    """Whether eight concurrent handshakes make more than four connections to a Redis that does not answer."""
    before = connections_of(site)
    site.redis.signal(signal.SIGSTOP)
    asked = asyncio.gather(*(site.status(f"/ws/?token={number}") for number in range(8)))
    found = await becomes(lambda: connections_of(site) - before > 4, site.patience(1))
    site.redis.signal(signal.SIGCONT)
    await asked
    return found


def connections_of(site: Site) -> int:
    """Established connections to the row's Redis, as the kernel has them: a Redis that stands still cannot be asked."""
    server = f":{site.redis.port:04X} 01"
    return sum(" ".join(line.split()[2:4]).endswith(server) for line in Path("/proc/net/tcp").open())


async def with_a_slow_cache(site: Site):
    """The status of a handshake that waits for a Redis that does not answer; for longer than it may by default."""
    async with site.bus() as bus:
        await bus.set(":1:ws_token_slow", 7, ex=600)
    site.redis.signal(signal.SIGSTOP)
    asked = asyncio.create_task(site.status("/ws/?token=slow"))
    await asyncio.wait([asked], timeout=site.patience(3, of=503))
    site.redis.signal(signal.SIGCONT)
    return await asked


async def known_address(site: Site):
    async with site.bus() as bus:

        async def entry() -> bytes | None:
            # It lasts for three heartbeats: a node that stood still has none for a moment.
            return next(iter([await bus.get(key) for key in await bus.keys("channelgate:node:*")]), None)

        return json.loads(await _until_some(entry))["address"] == "10.9.8.7:81"


async def name_told(site: Site):
    client = await Client.open(site.port, "/hello/")
    (name,) = await client.count(1)
    await client.close()
    return name == "gate-7"


async def _until_some(ask):
    return await until(ask, "keys in Redis")


async def says_it_lives(site: Site):
    """How long a node counts as live without another heartbeat."""
    async with site.bus() as bus:
        (key,) = await _until_some(lambda: bus.keys("channelgate:node:*"))
        return await bus.pttl(key) > 5000


async def heard_from(site: Site, channel: str, group: str):
    client = await Client.open(site.port, f"/ws/{group}/")
    async with site.bus() as bus:
        await bus.publish(channel, json.dumps({"n": 1}))
        # The node reads publishes in order, and this one is for the same group. Other rows' nodes get it, too.
        await bus.publish(f"channelgate:r_{group}", json.dumps({"n": site.name}))
    await client.wait(lambda client: {"n": site.name} in client.json(), "the end")
    found = client.json().count({"n": 1})
    await client.close()
    return found


def mapped(channel: str, group: str):
    async def look(site: Site):
        return await heard_from(site, channel, group)

    return look


async def ask(site: Site) -> str:
    client = await Client.open(site.port, "/ws/")
    await client.send({"type": "x", "n": site.name})
    await client.count(1)
    await client.close()
    return client.json()[0]


def calls_of(site: Site) -> list[dict]:
    return [call for call in site.backend.calls("ask") if call["data"] == site.name]


async def asked_path(site: Site):
    await ask(site)
    return calls_of(site)[0]["path"]


async def is_signed(site: Site):
    await ask(site)
    return "X-Channelgate-Signature".lower() in {name.lower() for name in calls_of(site)[0]["headers"]}


async def slow_answer(site: Site):
    client = await Client.open(site.port, "/ws/")
    await client.send({"type": "x", "n": "slow"})
    await client.count(1)
    await client.close()
    return client.json()[0]


async def asked_at_once(site: Site):
    """How many of four calls of four clients are at the backend before it answers the first one."""
    clients = [await Client.open(site.port, "/ws/") for _ in range(4)]
    for client in clients:
        await client.send({"type": "x", "n": f"held {site.name}"})
    asked = lambda: sum(call["data"] == f"held {site.name}" for call in site.backend.calls("ask"))  # noqa: E731
    found = await site.settled(asked, 1)
    for client in clients:
        client.connection.transport.abort()
    return found


async def queue_of_which_worker(site: Site):
    client = await Client.open(site.port, "/ws/")
    await client.send({"type": "x", "n": 1})
    async with site.bus() as bus:
        found = await until(lambda: bus.keys("asgi*calls"), "the call")
        found = [key.decode() for key in found]
    client.connection.transport.abort()
    return found


WORKER = {"backend.worker": '"calls"', "layer.kind": '"core"'}
#: A Redis that pauses is not abandoned: that would be another way to be without it.
KEPT = {"layer.probe_interval": '"200ms"', "layer.probe_timeout": '"10m"'}
PROBES = {**KEPT, "layer.probe_successes": "1"}


def source(channel: str = "", pattern: str = "", group: str = "r_a") -> str:
    where = f'channel = "{channel}"' if channel else f'pattern = "{pattern}"'
    return f'[[source]]\n{where}\ngroup = "{group}"\n'


TABLE: dict[str, OfNode] = {
    "layer.url": OfNode("{redis}", "{second}", heard(plainly(), at=other_redis), ([], ["event"]), ROOMS),
    "layer.hosts": OfNode("[]", '["{second}"]', heard(plainly(), at=other_redis), ([], ["event"]), ROOMS),
    "layer.kind": OfNode(
        '"core"',
        '"pubsub"',
        heard(by_layer("core", "core"), by_layer("pubsub", "pubsub")),
        (["core"], ["pubsub"]),
        ROOMS,
    ),
    "layer.prefix": OfNode('"asgi"', '"shop"', heard(by_layer(prefix="shop")), ([], ["event"]), ROOMS),
    "layer.keys": OfNode(
        '["a key"]', '["another key"]', heard(by_layer(symmetric_encryption_keys=["a key"])), (["event"], []), ROOMS
    ),
    "layer.serializer": OfNode('"msgpack"', '"json"', is_json, (False, True), ASKS, WORKER),
    "layer.expiry": OfNode('"20s"', '"90s"', expiry_of_queue, (False, True), ASKS, WORKER),
    "layer.group_expiry": OfNode('"20s"', '"86400s"', expiry_of_group, (False, True), ROOMS),
    "layer.capacity": OfNode("1", "100", queued, (1, 3), ASKS, WORKER),
    "layer.channel_capacity": OfNode('{ "c*s" = 1 }', '{ "c*s" = 2 }', queued, (1, 2), ASKS, WORKER),
    "layer.random_prefix_length": OfNode("12", "20", prefix_length, (12, 20), ASKS, WORKER),
    "layer.queues": OfNode("1", "4", receive_queues, lambda one, two: one == 1 < two <= 4, ROOMS),
    "layer.publish_prefix": OfNode('"channelgate:"', '"gate:"', heard(plainly("gate:")), ([], ["event"]), ROOMS),
    "layer.max_message": OfNode("100", "10_000", heard(plainly(size=500)), ([], ["event"]), ROOMS),
    "layer.linger": OfNode('"0s"', '"60s"', lingers, (0, 1), ROOMS),
    "layer.probe_interval": OfNode(
        '"100ms"', '"60s"', probes, lambda one, two: one >= 8 and two <= 2, ROOMS, alone=True
    ),
    "layer.probe_failures": OfNode("1", "1000", is_ready_without_redis, (503, 200), ROOMS, PROBES, alone=True),
    "layer.probe_successes": OfNode(
        "1",
        "1000",
        is_ready_again,
        (200, 503),
        ROOMS,
        {**KEPT, "layer.probe_failures": "1"},
        alone=True,
    ),
    "layer.probe_timeout": OfNode(
        '"1s"', '"60s"', gaps_after_a_pause, (True, False), ROOMS, {"layer.probe_interval": '"200ms"'}, alone=True
    ),
    "layer.emitters.python": OfNode('"socketio"', '"shop"', emitted("shop"), (None, ["text"]), SOCKETIO),
    "layer.emitters.python_list": OfNode(
        '"arguments"', '"argument"', emitted(data=[1, 2]), ([1, 2], [[1, 2]]), SOCKETIO
    ),
    "layer.emitters.node": OfNode('"socket.io"', '"shop"', emitted("shop", node=True), (None, ["text"]), SOCKETIO),
    "cache.url": OfNode("{redis}", "{second}", cached(at=other_redis), (403, 101), NOTED),
    "cache.prefix": OfNode('":1:"', '"shop:2:"', cached("shop:2:"), (403, 101), NOTED),
    "cache.pool": OfNode(
        "1", "8", connections_to_the_cache, (False, True), NOTED, {"cache.timeout": '"60s"'}, alone=True
    ),
    "cache.timeout": OfNode('"200ms"', '"60s"', with_a_slow_cache, (503, 101), NOTED, alone=True),
    "backend.url": OfNode('"{backend}/one"', '"{backend}/two"', asked_path, ("/one/ask", "/two/ask"), ASKS),
    "backend.secret": OfNode(None, '"a secret of the tests"', is_signed, (False, True), ASKS),
    "backend.timeout": OfNode('"300ms"', '"60s"', slow_answer, ("error", "ok"), ASKS),
    "backend.max_request": OfNode("10", "1_000_000", slow_answer, ("error", "ok"), ASKS),
    "backend.concurrency": OfNode("1", "8", asked_at_once, (1, 4), ASKS),
    "backend.worker": OfNode(
        '"a.calls"',
        '"b.calls"',
        queue_of_which_worker,
        (["asgia.calls"], ["asgib.calls"]),
        ASKS,
        {"layer.kind": '"core"'},
    ),
    "cluster.name": OfNode(None, '"gate-7"', name_told, (False, True), HELLO),
    "cluster.address": OfNode(None, '"10.9.8.7:81"', known_address, (False, True), ROOMS),
    "cluster.heartbeat": OfNode('"500ms"', '"10s"', says_it_lives, (False, True), ROOMS),
    "source.channel": OfNode(
        source("plane-one"), source("plane-two"), mapped("plane-two", "a"), (0, 1), ROOMS, in_file=True
    ),
    "source.pattern": OfNode(
        source(pattern="one-*"), source(pattern="two-*"), mapped("two-7", "a"), (0, 1), ROOMS, in_file=True
    ),
    "source.group": OfNode(
        source("a-channel"), source("a-channel", group="r_b"), mapped("a-channel", "b"), (0, 1), ROOMS, in_file=True
    ),
}
