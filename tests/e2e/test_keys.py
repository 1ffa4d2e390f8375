"""Every key in Redis has a known prefix and expires, after any activity and any death of a process."""

import asyncio
import signal

import redis.asyncio as redis
from rig.client import Client, until
from rig.demo import access_claims, mint, mint_person
from rig.http import Http
from rig.shop import pair_in, stranger, user_ids

#: The permitted keys, and their maximum lifetime in seconds. The first two are the channel layer's own names.
KNOWN = {
    "asgi:group:": 86_400,
    "asgispecific.": 60,
    # The queue of Django's worker.
    "asgichannelgate": 60,
    "channelgate:nodes": 60,
    "channelgate:node:": 60,
    "channelgate:presence:": 600,
    # A node's own marker in the cache: checks of tokens may be rare.
    "channelgate:cache:": 86_400,
    # Django's cache, with the ws-tokens of GET /api/user/ws-token/.
    ":1:ws_token_": 1800,
}


class Audit:
    """Checks all keys repeatedly while a scenario runs."""

    def __init__(self, connection: redis.Redis):
        self.connection = connection
        self.seen: set[str] = set()
        self.looks = 0

    async def look(self) -> None:
        for key in [key.decode() async for key in self.connection.scan_iter(count=1000)]:
            prefix = next((prefix for prefix in KNOWN if key.startswith(prefix)), None)
            assert prefix is not None, f"a key of an unknown kind: {key}"
            self.seen.add(prefix)
            ttl = await self.connection.ttl(key)
            for _ in range(100):
                if ttl != -1:
                    break
                # Written and given its expiry in two commands: it may be checked in between.
                await asyncio.sleep(0.1)
                ttl = await self.connection.ttl(key)
            assert ttl != -1, f"a key without expiry: {key}"
            assert ttl <= KNOWN[prefix], f"{key} lives for {ttl} s"
        self.looks += 1

    async def run(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await self.look()
            await asyncio.sleep(0.02)


async def test_every_key_expires_and_has_a_known_prefix(system, database, sockets):
    system.start_gate(2, database, backend="worker", CHANNELGATE_LAYER="both")
    connection = redis.Redis.from_url(system.redis_url)
    audit, over = Audit(connection), asyncio.Event()
    watching = asyncio.create_task(audit.run(over))
    await everything(system, sockets)
    # Keys of a node that is killed expire, too: including its queue with messages that are no longer read.
    system.nodes[0].signal(signal.SIGSTOP)
    async with system.publisher() as core:
        # The first one goes to the waiting pop.
        for data in range(3):
            await core.group_send("broadcast", {"type": "send_event", "event": "n", "data": data})
    system.nodes[0].kill()
    await audit.look()
    over.set()
    await watching
    # The queue of a worker that keeps up is rarely seen.
    assert audit.seen >= set(KNOWN) - {"asgichannelgate"}, sorted(set(KNOWN) - audit.seen)
    assert audit.looks > 10
    await connection.aclose()


async def everything(system, sockets) -> None:
    """All presets, both layers, presence, the cluster, tokens, calls to Django, publishes from every side."""
    ports = [node.port for node in system.nodes]
    feeds = [await Client.open(port, "/ws/") for port in ports]
    async with system.publisher() as core:
        await core.group_send("broadcast", {"type": "send_event", "event": "n", "data": 1})
        for feed in feeds:
            await feed.count(1)
    node = Http(ports[0])
    event = {"group": "broadcast", "event": {"type": "send_event", "event": "n", "data": 2}}
    assert (await node.post("/api/publish", data=event, token="the-key-of-the-publish-api")).status == 200
    for feed in feeds:
        await feed.count(2)
    token = mint(**access_claims(7), user_id=7)
    ws_token = (await node.get("/api/user/ws-token/", token=token)).json()["ws_token"]
    parking = await Client.open(ports[1], f"/ws/notifications/?token={ws_token}")
    # The tracker calls Django through its worker.
    session = await system.demo.session()
    ann = await sockets.open(ports[0], system.demo.person("ann"))
    await ann.emit("joinSession", str(session))
    await ann.emit("markAttendance", {"sessionId": session})
    await ann.data("attendanceMarked")
    # The repair shop counts members over both nodes.
    await pair_in(system, sockets, "work_order_5")
    person = stranger()
    watcher = await sockets.open(ports[1], mint_person(stranger().id, person.role))
    tab = await sockets.open(ports[0], person)
    await watcher.wait(lambda: person.id in user_ids(watcher, "user_online"), "somebody to come")
    await sockets.close(tab)
    await watcher.wait(lambda: person.id in user_ids(watcher, "user_offline"), "somebody to be missed")
    admin = mint_person(1, "admin")

    async def both() -> bool:
        reply = await node.get("/api/websocket/stats", token=admin.token)
        return reply.status == 200 and len(reply.json()["data"]["perNode"]) == 2

    await until(both, "both nodes to be known")
    for client in (*feeds, parking):
        await client.close()
