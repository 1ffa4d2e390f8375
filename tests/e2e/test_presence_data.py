"""Who is present, as data: exact over all nodes, per room, and without a gap or a repetition before the first event."""

import asyncio
import json
import random

import pytest
import redis
from rig.check import refused
from rig.client import Client, until
from rig.demo import mint_access

CONFIG = '''
[cluster]
heartbeat = "1s"

[[consumer]]
name = "lobby"
path = "/ws/lobby/"
auth = ["jwt"]
groups = ["lobby"]
presence = { member = "user.id", grace = "100ms", max_listed = 50 }
[consumer.on_connect]
reply = """{'type': 'snapshot', 'users': present().members | map(attribute='member') | list,
            'count': present().count, 'complete': present().complete}"""
[consumer.on_online.room]
to = "lobby"
send = "{'type': 'online', 'user': user.id}"
[consumer.on_offline.room]
to = "lobby"
send = "{'type': 'offline', 'user': user.id}"
[consumer.on_message.who]
reply = "{'type': 'who', 'users': present().members | map(attribute='user') | map(attribute='id') | list}"

[[consumer]]
name = "rooms"
path = "/ws/room/<str:room>/"
auth = ["jwt"]
groups = ["room_{{ route.room }}"]
presence = { member = "user.id", room = "room_{{ route.room }}", grace = "100ms" }
[consumer.on_connect]
reply = "{'type': 'snapshot', 'users': present().members | map(attribute='member') | list}"
[consumer.on_online.room]
to = "room_{{ route.room }}"
send = "{'type': 'online', 'user': user.id, 'room': room}"
[consumer.on_offline.publish]
group = "offline"
event = "{'type': 'left', 'user': user.id, 'room': room}"
[consumer.on_message.both]
reply = "{'a': present('room_a').count, 'b': present('room_b').count, 'own': present().count}"
[consumer.on_message.odd]
reply = "{'odd': present('room_ü+1').count, 'own': present().count}"

[[consumer]]
name = "watch"
path = "/ws/watch/"
auth = ["anonymous"]
groups = ["offline"]
[consumer.on_event.left]
send = "event | without('type')"
'''


async def visit(port: int, user: int, path: str = "/ws/lobby/") -> Client:
    return await Client.open(port, f"{path}?token={mint_access(user)}")


class Model:
    """What a page shows that starts with the snapshot and applies each event: it notices what is told twice."""

    def __init__(self, client: Client):
        self.client = client
        self.read = 0
        self.users: set[str] | None = None
        self.wrong: list = []

    def update(self) -> "Model":
        for frame in self.client.frames[self.read :]:
            message = json.loads(frame)
            user = str(message.get("user"))
            if message["type"] == "snapshot":
                if self.users is not None:
                    self.wrong.append(("a second snapshot", message))
                self.users = {str(one) for one in message["users"]}
                if len(self.users) != len(message["users"]):
                    self.wrong.append(("twice in the snapshot", message))
            elif self.users is None:
                self.wrong.append(("before the snapshot", message))
            elif message["type"] == "online":
                if user in self.users:
                    self.wrong.append(("online twice", message))
                self.users.add(user)
            elif message["type"] == "offline":
                if user not in self.users:
                    self.wrong.append(("offline without online", message))
                self.users.discard(user)
        self.read = len(self.client.frames)
        return self


@pytest.fixture(scope="module")
def nodes(module_system):
    for _ in range(2):
        module_system.start_node(wait=False, config=CONFIG)
    module_system.wait()
    return module_system.nodes


async def empty(port: int, path: str = "/ws/lobby/") -> None:
    """Waits until nobody of an earlier test is present any more."""

    async def alone() -> bool:
        client = await visit(port, 999_999, path)
        (snapshot, *_) = await client.count(1)
        await client.close()
        return {str(user) for user in snapshot["users"]} <= {"999999"}

    await until(alone, "everybody to be gone", pause=0.2)


async def test_a_snapshot_has_everybody_on_every_node_once(nodes):
    await empty(nodes[0].port)
    crowd = []
    # At the end a second tab of the same user on the other node.
    for number, node in [*((n, nodes[n % 2]) for n in range(1, 7)), (1, nodes[0])]:
        crowd.append(await visit(node.port, number))
        # The next one arrives after this one: the snapshot comes before the arrival, of which all clients hear.
        told = lambda m, number=number: m["type"] == "online" and str(m["user"]) == str(number)  # noqa: E731
        await crowd[number - 1].wait(lambda one, told=told: any(map(told, one.json())), f"the arrival of {number}")
    observer = await visit(nodes[1].port, 7)
    (snapshot, *_) = await observer.count(1)
    users = [str(user) for user in snapshot["users"] if str(user) != "999999"]
    assert users == ["1", "2", "3", "4", "5", "6"], "in the order of their arrival"
    assert snapshot["complete"] is True
    await observer.wait(lambda one: any('"online"' in frame for frame in one.frames), "its own arrival")
    await observer.send({"type": "who"})
    who = await observer.wait(lambda one: [m for m in one.json() if m["type"] == "who"], "the answer")
    assert {"1", "2", "3", "4", "5", "6", "7"} <= {str(user) for user in who[0]["users"]}
    for client in [*crowd, observer]:
        await client.close()


async def test_nobody_is_missing_or_told_twice_between_the_snapshot_and_the_events(nodes):
    """Connections join while others come and go, on two nodes."""
    await empty(nodes[0].port)
    chance = random.Random(6)
    models: list[Model] = []

    async def stay(user: int) -> None:
        await asyncio.sleep(chance.random() * 1.5)
        models.append(Model(await visit(chance.choice(nodes).port, user)))

    async def come_and_go(user: int) -> None:
        for turn in range(3):
            await asyncio.sleep(chance.random() * 0.5)
            client = await visit(chance.choice(nodes).port, user + 100 * turn)
            await asyncio.sleep(chance.random() * 0.2)
            await client.close()

    await asyncio.gather(*(stay(user) for user in range(1, 31)), *(come_and_go(user) for user in range(100, 120)))
    final = {str(user) for user in range(1, 31)}

    def settled() -> bool:
        return all(model.update().users == final for model in models)

    def state() -> list:
        return [(model.users ^ final if model.users else None, model.wrong) for model in models]

    try:
        await until(settled, "every page to show the same")
    except AssertionError:
        raise AssertionError(state()) from None
    assert [model.wrong for model in models if model.wrong] == []
    for model in models:
        await model.client.close()


async def test_a_long_list_is_cut_and_says_so(nodes):
    await empty(nodes[0].port)
    crowd = await asyncio.gather(*(visit(nodes[n % 2].port, 1000 + n) for n in range(60)))
    for client in crowd:
        await client.wait(lambda one: any('"online"' in frame for frame in one.frames), "an arrival")

    async def counted() -> dict | None:
        observer = await visit(nodes[0].port, 1000)
        (snapshot, *_) = await observer.count(1)
        await observer.close()
        return snapshot if snapshot["count"] >= 60 else None

    snapshot = await until(counted, "all of them to be counted")
    assert len(snapshot["users"]) == len(set(snapshot["users"])) == 50 and snapshot["complete"] is False
    for client in crowd:
        await client.close()


async def test_members_are_counted_in_their_room(nodes):
    watch = await Client.open(nodes[0].port, "/ws/watch/")
    one = await visit(nodes[0].port, 1, "/ws/room/a/")
    two = await visit(nodes[1].port, 2, "/ws/room/a/")
    other = await visit(nodes[1].port, 1, "/ws/room/b/")
    for client, user, room in ((one, "1", "room_a"), (two, "2", "room_a"), (other, "1", "room_b")):
        wanted = {"type": "online", "user": user, "room": room}
        await client.wait(
            lambda c, wanted=wanted: any({**m, "user": str(m.get("user"))} == wanted for m in c.json()), f"{wanted}"
        )
    assert [str(user) for user in other.json()[0]["users"]] == [], "who is in another room does not count"
    await one.send({"type": "both"})
    await one.wait(lambda c: {"a": 2, "b": 1, "own": 2} in c.json(), "the numbers of both rooms")
    await other.close()
    await watch.wait(
        lambda c: any(str(m["user"]) == "1" and m["room"] == "room_b" for m in c.json()), "user 1 to leave room b"
    )
    await one.send({"type": "both"})
    await one.wait(lambda c: {"a": 2, "b": 0, "own": 2} in c.json(), "nobody in room b")
    assert not [m for m in watch.json() if m["room"] == "room_a"], "in room a the user is still there"
    await one.close()
    await two.close()
    await watch.wait(lambda c: len([m for m in c.json() if m["room"] == "room_a"]) == 2, "both to leave room a")
    await watch.close()


async def test_a_room_is_asked_for_by_the_name_that_the_template_writes(nodes):
    """Its values are written as in the names of groups, and the one who asks names them as they are."""
    client = await visit(nodes[0].port, 1, "/ws/room/ü+1/")
    await client.wait(lambda c: any(m["type"] == "online" for m in c.json()), "the arrival")
    await client.send({"type": "odd"})
    await client.wait(lambda c: {"odd": 1, "own": 1} in c.json(), "the number")
    await client.close()


async def test_a_list_that_redis_has_lost_is_not_taken_for_complete(module_system, nodes):
    """Redis evicts or deletes the key of one scope: what is known is said, and the nodes write their members again."""
    await empty(nodes[0].port)
    crowd = [await visit(node.port, user) for user, node in ((601, nodes[0]), (602, nodes[1]))]
    models = [Model(client) for client in crowd]
    await until(lambda: all(one.update().users == {"601", "602"} for one in models), "both to be present")
    with redis.Redis.from_url(module_system.redis_url) as connection:
        assert connection.delete("channelgate:presence:scope:lobby") == 1

    async def listed() -> tuple[list, bool]:
        client = await visit(nodes[0].port, 602)
        (snapshot, *_) = await client.count(1)
        await client.close()
        return sorted(map(str, snapshot["users"])), snapshot["complete"]

    assert await listed() == (["601"], False), "those of this node"
    await until(lambda: _is(listed, (["601", "602"], True)), "all of them to be listed again", pause=0.2)
    # Nobody has come or gone.
    assert [model.update().wrong for model in models] == [[], []]
    assert all(model.users == {"601", "602"} for model in models)
    for client in crowd:
        await client.close()


async def _is(question, wanted) -> bool:
    return await question() == wanted


async def test_a_killed_node_s_members_are_gone_for_the_others(module_system, nodes):
    await empty(nodes[0].port)
    third = module_system.start_node(config=CONFIG)
    lost = await visit(third.port, 501)
    await lost.wait(lambda one: any('"online"' in frame for frame in one.frames), "its arrival")
    observer = Model(await visit(nodes[0].port, 502))
    await until(lambda: observer.update().users and "501" in observer.users, "the snapshot with the user")
    third.process.kill()
    third.stop()
    await until(lambda: "501" not in observer.update().users, "the user of the killed node to be gone")
    fresh = Model(await visit(nodes[1].port, 503))
    await until(lambda: fresh.update().users is not None, "the snapshot")
    assert "501" not in fresh.users and observer.wrong == []
    await observer.client.close()
    await fresh.client.close()


@pytest.mark.parametrize(
    ("handler", "key", "advice"),
    [
        ('[consumer.on_connect]\nreply = "present()"\n', "on_connect.reply", "presence"),
        (
            "presence = { member = 'user.id' }\n[consumer.on_message.m]\nreply = \"present(message.room)\"\n",
            "on_message.m.reply",
            "who is in any room",
        ),
        (
            "presence = { member = 'user.id' }\n[consumer.on_message.m]\nreply = \"present('a' ~ query.room)\"\n",
            "on_message.m.reply",
            "who is in any room",
        ),
        (
            "presence = { member = 'user.id', room = '{{ route.x }}' }\n",
            "presence.room",
            "would let clients choose any",
        ),
        (
            "presence = { member = 'user.id' }\n[consumer.on_message.m]\nreply = \"present('r_' ~ user.id).count\"\n",
            "on_message.m.reply",
            "counts the whole consumer",
        ),
        (
            "presence = { member = 'user.id', room = 'r_{{ route.x }}' }\n"
            "[consumer.on_connect]\nreply = \"present('lobby').count\"\n",
            "on_connect.reply",
            "nobody is ever present",
        ),
        (
            "presence = { member = 'user.id' }\n[consumer.on_offline.publish]\ngroup = 'g'\nevent = \"present()\"\n",
            "on_offline.publish.event",
            "not known",
        ),
    ],
)
def test_presence_that_would_say_too_much_is_refused(tmp_path, handler, key, advice):
    text = f'[auth]\nsecret_key = "{"x" * 50}"\n[[consumer]]\npath = "/ws/<str:x>/"\nauth = ["jwt"]\n{handler}'
    rows = text.splitlines()
    # The key has a line of its own, or stands in that of its table.
    starts = [f"{part} =" for part in reversed(key.split("."))]
    line = 1 + next(at for start in starts for at, row in enumerate(rows) if row.startswith(start))
    assert advice in refused(tmp_path, text, f"consumer[0].{key}", line=line)
