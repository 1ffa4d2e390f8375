"""What a node publishes reaches Channels' own consumers as `group_send` does, and every member has it once.

The oracle is real: consumers under Daphne, and members of a group in this process, which see each dict as Channels
gives it to a consumer.
"""

import asyncio
import base64
import contextlib
import dataclasses
import json
import os

import pytest
import redis.asyncio as redis
import stack
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from rig.client import Client, until
from rig.http import Http
from rig.system import API_KEY, LAYERS, System

PUBLISHERS = """
presets = ["feed"]

[[consumer]]
path = "/desk/"
groups = ["broadcast"]
[consumer.on_event."*"]
send = "event"
[[consumer.on_message.publish]]
publish = { group = "broadcast", event = "message.event" }
[[consumer.on_message.publish]]
reply = "{'type': 'accepted'}"
[[consumer.on_message.three]]
publish = { group = "broadcast", event = "{'type': 'send_event', 'event': 'n', 'data': message.n}" }
[[consumer.on_message.three]]
room = { to = "broadcast", send = "{'emitted': message.n}" }
[[consumer.on_message.three]]
publish = { group = "broadcast", event = "{'untyped': message.n}" }

[[consumer]]
path = "/bytes/"
groups = ["kept"]
on_event.keep = { send = "event" }
on_raw."*" = { publish = { group = "kept", event = "{'type': 'keep', 'data': message}" } }
"""

#: The layer of the project, and `layer.kind` of the nodes.
WAYS = {
    "core": ("core", "core"),
    "core, unnamed": ("core", "both"),
    "core, encrypted": ("core-encrypted", "core"),
    "pubsub": ("pubsub", "pubsub"),
    "pubsub, unnamed": ("pubsub", "both"),
    "pubsub, encrypted": ("pubsub-encrypted", "pubsub"),
}

VALUES = [
    None,
    True,
    2**64 - 1,
    -(2**63),
    1.0,
    -0.0,
    5e-324,
    'ünïcödé 👩‍👧   \\ " / \u0000',
    "",
    [],
    {},
    {"z": [1, [2.5, {"": None}]], "a": {"ключ": ["3"]}},
    "x" * 70_000,
]


@pytest.fixture(params=WAYS)
def system(request, tmp_path, database):
    """The demo project under Daphne and two nodes, with the rights in Redis that the manual lists."""
    layer, kind = WAYS[request.param]
    layer = LAYERS[layer]
    if layer.node_keys:
        # The new key is the first one of both: the nodes encrypt, Django has to read.
        layer = dataclasses.replace(layer, keys=layer.node_keys)
    system = System(tmp_path, layer)
    try:
        system.least_rights()
        system.start_django(database, wait=False)
        for _ in range(2):
            system.start_node(
                wait=False,
                config=PUBLISHERS,
                CHANNELGATE_LAYER=kind,
                CHANNELGATE__LAYER__SERIALIZER=layer.serializer,
            )
        system.wait()
        yield system
    finally:
        system.stop()


class Member:
    """A member of a group in this process, through a layer of channels_redis: all dicts that it gets."""

    def __init__(self, layer, channel: str):
        self.layer, self.channel, self.got = layer, channel, []
        self.task = asyncio.create_task(self._receive())

    @classmethod
    async def join(cls, layer, group: str, channel: str | None = None) -> "Member":
        channel = channel or await layer.new_channel()
        await layer.group_add(group, channel)
        return cls(layer, channel)

    async def _receive(self) -> None:
        # Its Redis ends with a test that has failed.
        with contextlib.suppress(redis.ConnectionError):
            while True:
                self.got.append(await self.layer.receive(self.channel))

    async def has(self, number: int) -> list[dict]:
        await until(lambda: len(self.got) >= number, f"{number} events, not {len(self.got)}")
        return self.got

    async def leave(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def publish_by_command(system: System, group: str, event: dict) -> None:
    command = [str(stack.binary()), "publish", group, json.dumps(event)]
    # Without the nodes' `layer.kind`: it is "both".
    env = os.environ | system.node_env(CHANNELGATE__LAYER__SERIALIZER=system.layer.serializer)
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0


async def through_api(node, group: str, event: dict) -> None:
    reply = await Http(node.port).post("/api/publish", data={"group": group, "event": event}, token=API_KEY)
    assert reply.status == 200, reply


async def test_everyone_gets_each_event_once_and_unchanged_from_every_publisher(system):
    first, second = system.nodes
    clients = {
        "daphne": await Client.open(system.django.port, "/ws/"),
        "node 1": await Client.open(first.port, "/ws/"),
        "node 2": await Client.open(second.port, "/ws/"),
    }
    desk = await Client.open(first.port, "/desk/")
    async with system.publisher() as layer:
        member = await Member.join(layer, "broadcast")
        sent, asked = [], []

        async def next_event() -> dict:
            number = len(sent)
            value = VALUES[number] if number < len(VALUES) else number
            sent.append({"type": "send_event", "event": str(number), "data": value})
            return sent[-1]

        async def by_step() -> None:
            await desk.send({"type": "publish", "event": await next_event()})
            asked.append(True)
            await desk.wait(lambda client: client.json().count({"type": "accepted"}) == len(asked), "its acceptance")

        for _ in range(15):
            await layer.group_send("broadcast", await next_event())
            # Django's events and those of nodes may take different ways to nodes.
            await settled(clients, len(sent))
            await by_step()
            await through_api(second, "broadcast", await next_event())
            await settled(clients, len(sent))
        await publish_by_command(system, "broadcast", await next_event())
        assert await member.has(len(sent)) == sent
        await settled(clients, len(sent))
        # A burst of one publisher comes in its order; a queue of the core layer holds 100.
        for _ in range(60):
            await by_step()
        await settled(clients, len(sent))
        assert await member.has(len(sent)) == sent
        expected = [json.dumps({"event": event["event"], "data": event["data"]}) for event in sent]
        # A last one by Django, so that a second copy of any would have come.
        await layer.group_send("broadcast", {"type": "send_event", "event": "end", "data": None})
        await settled(clients, len(sent) + 1)
        for name, client in clients.items():
            assert [json.dumps(json.loads(frame)) for frame in client.frames[:-1]] == expected, name
            assert client.closed is None
        await member.leave()
    for node in system.nodes:
        assert system.metric(node, "channelgate_drops_total") == system.metric(node, "channelgate_gaps_total") == 0


async def settled(clients: dict[str, Client], number: int) -> None:
    for client in clients.values():
        await client.count_of(number)


@pytest.mark.parametrize("system", ["core", "pubsub, unnamed"], indirect=True)
async def test_emissions_and_events_without_a_handler_name_do_not_reach_channels(system):
    daphne = await Client.open(system.django.port, "/ws/")
    desk = await Client.open(system.nodes[0].port, "/desk/")
    watching = await Client.open(system.nodes[1].port, "/desk/")
    async with system.publisher() as layer:
        member = await Member.join(layer, "broadcast")
        for number in range(20):
            await desk.send({"type": "three", "n": number})
        # The nodes' own members get all that one publisher sent in its order, whichever way it takes to Channels.
        events = [{"type": "send_event", "event": "n", "data": number} for number in range(20)]
        expected = [one for n in range(20) for one in (events[n], {"emitted": n}, {"untyped": n})]
        for client in (desk, watching):
            assert await client.count(60) == expected
        for kind in (None, 7, "", "_private", ".hidden", "7up", "with space"):
            await through_api(system.nodes[0], "broadcast", {} if kind is None else {"type": kind})
        relayed = {"type": "channelgate.emit", "consumer": "/desk/", "message": "relayed", "except": []}
        await through_api(system.nodes[0], "broadcast", relayed)
        last = {"type": "send_event", "event": "last", "data": None}
        await through_api(system.nodes[0], "broadcast", last)
        assert await member.has(21) == [*events, last]
        assert await daphne.count(21) == [{"event": "n", "data": n} for n in range(20)] + [
            {"event": "last", "data": None}
        ]
        assert daphne.closed is None
        # A consumer of a node has handlers for some of them; a leading underscore is refused as Channels does.
        untyped = [{}, {"type": 7}, {"type": ""}, {"type": "7up"}, {"type": "with space"}]
        assert (await watching.count(60 + 5 + 2))[60:] == [*untyped, "relayed", last]
        await member.leave()


@pytest.mark.parametrize("kind", ["core", "pubsub"])
async def test_bytes_stay_bytes(tmp_path, kind):
    system = System(tmp_path, LAYERS[kind])
    try:
        node = system.start_node(config=PUBLISHERS, CHANNELGATE_LAYER=kind)
        desk = await Client.open(node.port, "/bytes/")
        async with system.publisher() as layer:
            member = await Member.join(layer, "kept")
            await desk.send(b"\x00\xff")
            assert await member.has(1) == [{"type": "keep", "data": b"\x00\xff"}]
            assert await desk.count(1) == [{"type": "keep", "data": base64.b64encode(b"\x00\xff").decode()}]
            await member.leave()
    finally:
        system.stop()


async def test_what_the_serializer_cannot_carry_reaches_nodes_only_and_is_counted(tmp_path):
    """Django's own `group_send` raises for it."""
    system = System(tmp_path, LAYERS["core-json"])
    try:
        node = system.start_node(config=PUBLISHERS, CHANNELGATE__LAYER__SERIALIZER="json")
        desk = await Client.open(node.port, "/bytes/")
        async with system.publisher() as layer:
            member = await Member.join(layer, "kept")
            with pytest.raises(TypeError):
                await layer.group_send("kept", {"type": "keep", "data": b"\x00"})
            await desk.send(b"\x00")
            await desk.send("text")
            assert await member.has(1) == [{"type": "keep", "data": "text"}]
            assert [frame["data"] for frame in await desk.count(2)] == ["AA==", "text"]
            await member.leave()
        assert system.metric(node, "channelgate_drops_total", reason="channels") == 1
    finally:
        system.stop()


@pytest.mark.parametrize("kind", ["core", "pubsub"])
async def test_several_hosts(tmp_path, kind):
    """Each group and each queue has its host, as channels_redis chooses it."""
    system = System(tmp_path, LAYERS[kind])
    try:
        urls = [system.redis_url, *(f"redis://{stack.LOOPBACK}:{system.start_redis().port}/0" for _ in range(2))]
        config = "[layer]\nhosts = " + json.dumps(urls) + "\n"
        groups = [f"room_{number}" for number in range(12)]
        config += """
[[consumer]]
path = "/room/<str:name>/"
groups = ["room_{{ route.name }}"]
on_event."*" = { send = "event" }
"""
        nodes = [system.start_node(wait=False, config=config, CHANNELGATE_LAYER=kind) for _ in range(2)]
        system.wait()
        make = RedisChannelLayer if kind == "core" else RedisPubSubChannelLayer
        layers = [make(hosts=urls) for _ in range(2)]
        members = [await Member.join(layer, group) for layer in layers for group in groups]
        paths = [f"/room/{number}/" for number in range(12)]
        clients = [await Client.open(node.port, path) for node in nodes for path in paths]
        for number in range(5):
            for group in groups:
                event = {"type": "room.event", "group": group, "n": number}
                await through_api(nodes[number % 2], group, event)
        for received, group in zip([await member.has(5) for member in members], groups * 2, strict=True):
            assert received == [{"type": "room.event", "group": group, "n": number} for number in range(5)]
        for received, group in zip([await client.count(5) for client in clients], groups * 2, strict=True):
            assert received == [{"type": "room.event", "group": group, "n": number} for number in range(5)]
        for member in members:
            await member.leave()
        for layer in layers:
            await (layer.close_pools() if kind == "core" else layer.flush())
    finally:
        system.stop()


async def test_a_full_queue_is_counted_and_the_others_get_the_event(tmp_path):
    """Capacities of channels as in Django's settings; the process behind a queue does not read it."""
    system = System(tmp_path, LAYERS["core"])
    config = PUBLISHERS + '\n[layer]\ncapacity = 20\nchannel_capacity = { "slow.*" = 3, "*" = 7 }\n'
    try:
        node = system.start_node(config=config, CHANNELGATE_LAYER="core")
        client = await Client.open(node.port, "/desk/")
        async with system.publisher(capacity=20, channel_capacity={"slow.*": 3, "*": 7}) as layer:
            queues = {"slow.one!a": 3, "specific.other!b": 7}
            for channel in queues:
                await layer.group_add("broadcast", channel)
            member = await Member.join(layer, "broadcast")
            for number in range(12):
                await through_api(node, "broadcast", {"type": "send_event", "event": "n", "data": number})
                await member.has(number + 1)
            assert [frame["data"] for frame in await client.count(12)] == list(range(12))
            async with redis.from_url(system.redis_url) as connection:
                for channel, capacity in queues.items():
                    key = "asgi" + channel.partition("!")[0] + "!"
                    assert await connection.zcard(key) == capacity
                    assert 0 < await connection.ttl(key) <= 60
            assert system.metric(node, "channelgate_drops_total", reason="channels") == 9 + 5
            await member.leave()
    finally:
        system.stop()
