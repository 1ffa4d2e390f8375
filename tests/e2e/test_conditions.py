"""Conditions per connection: an `if` of Python under Daphne and a line of `on_event` on nodes give the same frames."""

import json

import pytest
from rig.client import Client
from rig.corpus.target import Target, make_database
from rig.demo import access_claims, mint

#: The conditions of tests/django/conditions, in words of the configuration.
HANDLERS = """
[consumer.on_event.everybody]
send = "{{'everybody': event.n}}"
[consumer.on_event.other_users]
when = "event.sender_id != user.id"
send = "{{'other_users': event.n}}"
[consumer.on_event.other_sockets]
when = "event.sender_channel_name != channel_name"
send = "{{'other_sockets': event.n}}"
[consumer.on_event.only_to]
when = "event.to == user.id"
send = "{{'only_to': event.n}}"
[consumer.on_event.may_see]
when = "{own}.is_staff or event.owner == user.id or user.id in event.users or event.teams | intersects({own}.teams)"
send = "{{'may_see': event.n}}"
[consumer.on_event.greeting]
send = "{{'greeting': event.n, 'to': user.name, 'room': route.room}}"
[consumer.on_event.not_muted]
when = "user.id not in event.muted | default([]) and not ({own}.is_staff and event.quiet)"
send = "{{'not_muted': event.n}}"
"""
CONFIG = f"""
[[consumer]]
path = "/ws/conditions/<str:room>/"
django = ["connect", "receive"]
export = ["self.is_staff", "self.teams"]
{HANDLERS.format(own="vars")}
[[consumer]]
path = "/ws/native/<str:room>/"
auth = ["jwt"]
groups = ["cond_{{{{ route.room }}}}"]
{HANDLERS.format(own="claims")}
[consumer.on_message.become.call]
action = "unknown"
error.user = "{{'id': 900}}"
error.reply = "{{'became': user.id}}"
[consumer.on_message."*"]
publish.group = "cond_{{{{ route.room }}}}"
publish.event = "dict(message, sender_id=user.id, sender_channel_name=channel_name)"
"""
#: The consumer whose connect() and messages take a second.
CONFIG += """
[[consumer]]
path = "/ws/late/<str:room>/"
django = ["connect", "receive"]
export = ["self.muted"]
[consumer.on_event.other_users]
when = "event.sender_id != user.id"
send = "{'other_users': event.n}"
[consumer.on_event.only_to]
when = "event.to == user.id"
send = "{'only_to': event.n}"
[consumer.on_event.unmuted]
when = "event.sender_id not in vars.muted"
send = "{'unmuted': event.n}"
[consumer.on_event.greeting]
send = "{'greeting': event.n, 'to': user.name}"
[consumer.on_event.over]
when = "event.to == user.id"
close = 4001
"""
#: Each on two sockets, the second on the other node.
PEOPLE = ("anna", "ben", "carl")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Daphne, which serves clients itself, and two nodes of two workers before it."""
    directory = tmp_path_factory.mktemp("conditions")
    target = Target("conditions", directory / "target", "core", make_database(directory))
    try:
        target.serve("daphne", application="conditions.asgi:application")
        target.system.backend = "http"
        for _ in range(2):
            target.system.start_node(wait=False, config=CONFIG, CHANNELGATE__SERVER__WORKERS="2")
        yield target.wait()
    finally:
        target.stop()


async def join(world: Target, way: str, who: str, socket: int) -> Client:
    """A client in the room of this way."""
    port = world.http_port if way == "daphne" else world.ports[socket % 2]
    if who == "guest":
        return await Client.open(port, f"/ws/conditions/{way}/")
    person = world.people[who]
    if way == "native":
        teams = ["red", "blue"] if who == "ben" else []
        claims = {"user_id": person["id"], "name": who, "is_staff": who == "carl", "teams": teams}
        shown = mint(**access_claims(person["id"]), **claims)
        return await Client.open(port, f"/ws/native/{way}/?token={shown}")
    headers = {"Cookie": f"sessionid={person['session']}"}
    return await Client.open(port, f"/ws/conditions/{way}/", additional_headers=headers)


async def play(world: Target, way: str) -> dict[str, list]:
    """What each client gets."""
    ids = {name: world.people[name]["id"] for name in PEOPLE}
    clients = {f"{who}{n}": await join(world, way, who, index + n) for index, who in enumerate(PEOPLE) for n in (1, 2)}
    if way != "native":
        clients["guest"] = await join(world, way, "guest", 0)
    said = [
        ("anna1", {"type": "other_users"}),
        ("anna2", {"type": "other_sockets"}),
        ("ben1", {"type": "only_to", "to": ids["anna"]}),
        ("ben1", {"type": "only_to", "to": str(ids["anna"])}),
        ("ben1", {"type": "only_to", "to": None}),
        ("anna1", {"type": "may_see", "owner": ids["anna"], "users": [], "teams": []}),
        ("anna1", {"type": "may_see", "owner": 0, "users": [ids["ben"]], "teams": []}),
        ("anna1", {"type": "may_see", "owner": 0, "users": [], "teams": ["green", "blue"]}),
        ("ben2", {"type": "greeting"}),
        ("carl2", {"type": "not_muted", "muted": [ids["anna"]], "quiet": True}),
        ("carl2", {"type": "not_muted", "quiet": False}),
    ]
    for n, (sender, message) in enumerate(said):
        await clients[sender].send({**message, "n": n})
        # The next one is sent when this one has reached everybody.
        await clients[sender].send({"type": "everybody", "n": n})
        for client in clients.values():
            await client.wait(lambda one, n=n: {"everybody": n} in one.json() or one.closed, f"event {n}")
            assert client.closed is None, (way, sender, message, client.closed)
    # The room's name is part of a frame.
    frames = {name: [frame.replace(way, "room") for frame in client.frames] for name, client in clients.items()}
    got = {
        name: [frame for frame in map(json.loads, all_) if "everybody" not in frame] for name, all_ in frames.items()
    }
    for client in clients.values():
        await client.close()
    return got


async def test_a_condition_is_the_if_of_the_consumer_under_daphne(world):
    daphne = await play(world, "daphne")
    assert [list(frame) for frame in daphne["anna2"]] == [
        ["only_to"],
        ["may_see"],
        ["greeting", "to", "room"],
        ["not_muted"],
    ]
    assert {"other_users": 0} in daphne["ben1"]
    assert {"other_sockets": 1} in daphne["anna1"]
    assert daphne["guest"][:2] == [{"other_users": 0}, {"other_sockets": 1}]
    assert await play(world, "bridged") == daphne
    del daphne["guest"]
    assert await play(world, "native") == daphne


async def test_conditions_follow_the_user_of_a_connection(world):
    sender, changing = [await join(world, "native", who, n) for n, who in enumerate(("anna", "ben"))]
    ben, guest = world.people["ben"]["id"], 900

    async def tell(to: int, n: int) -> None:
        await sender.send({"type": "only_to", "to": to, "n": n})
        await sender.send({"type": "everybody", "n": n})
        await changing.wait(lambda one: {"everybody": n} in one.json(), f"event {n}")

    await tell(guest, 1)
    await tell(ben, 2)
    await changing.send({"type": "become"})
    await changing.wait(lambda one: {"became": guest} in one.json(), "another user")
    await tell(ben, 3)
    await tell(guest, 4)
    assert [frame["only_to"] for frame in changing.json() if "only_to" in frame] == [2, 4]
    for client in (sender, changing):
        await client.close()


async def test_a_key_that_is_missing_is_no_yes(world):
    """Natively those whom it concerns miss the event, and it is counted; else they end with 1011, as under Daphne."""
    for way in ("daphne", "bridged"):
        clients = [await join(world, way, who, n) for n, who in enumerate(("ben", "carl"))]
        # Only the staff's condition reads what is missing.
        await clients[0].send({"type": "not_muted", "muted": [], "n": 1})
        assert (await clients[1].gone())[0] == 1011, way
        await clients[0].wait(lambda one: {"not_muted": 1} in one.json(), "the event")
        assert clients[0].closed is None
        await clients[0].close()
    clients = [await join(world, "native", who, n) for n, who in enumerate(("ben", "carl"))]
    before = sum(world.system.metric(node, "channelgate_drops_total", reason="mapping") for node in world.system.nodes)
    await clients[0].send({"type": "not_muted", "muted": [], "n": 1})
    await clients[0].send({"type": "everybody", "n": 2})
    assert await clients[0].count(2) == [{"not_muted": 1}, {"everybody": 2}]
    assert await clients[1].count(1) == [{"everybody": 2}]
    after = sum(world.system.metric(node, "channelgate_drops_total", reason="mapping") for node in world.system.nodes)
    assert after == before + 1
    for client in clients:
        await client.close()


async def test_events_that_wait_for_a_handler_are_decided_with_what_it_leaves(world):
    """connect() of a consumer in Django, and its handler of a message: in Channels events wait for both."""
    anna, ben = (world.people[name]["id"] for name in ("anna", "ben"))
    seen = {}
    async with world.system.publisher() as layer:
        for way in ("daphne", "bridged"):
            port = world.http_port if way == "daphne" else world.ports[0]
            cookie = {"Cookie": f"sessionid={world.people['anna']['session']}"}
            client = await Client.open(port, f"/ws/late/{way}/", additional_headers=cookie)

            async def tell(way=way, **event) -> None:
                await layer.group_send(f"late_{way}", event)

            await client.count(1)
            for n, sender in enumerate((anna, ben)):
                await tell(type="other_users", n=n, sender_id=sender)
                await tell(type="unmuted", n=n, sender_id=sender)
                await tell(type="only_to", n=n, to=sender)
            await tell(type="greeting", n=2)
            await client.wait(lambda one: {"greeting": 2, "to": "anna"} in one.json() or one.closed, "all of it")
            await client.send({"mute": [ben]})
            await client.wait(lambda one: "heard" in one.json() or one.closed, "an answer")
            for n, sender in enumerate((anna, ben), 3):
                await tell(type="unmuted", n=n, sender_id=sender)
            for to in (ben, anna):
                await tell(type="over", to=to)
            code, _ = await client.gone()
            seen[way] = (client.json(), code)
    assert seen["daphne"][0][1:] == [
        "connected",
        {"unmuted": 0},
        {"only_to": 0},
        {"other_users": 1},
        {"unmuted": 1},
        {"greeting": 2, "to": "anna"},
        "heard",
        "muted",
        {"unmuted": 3},
    ]
    assert seen["bridged"] == seen["daphne"]
