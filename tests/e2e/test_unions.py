"""An emit to several rooms reaches each client once, and the items of a list follow each other."""

import asyncio

from rig.client import Client, until

CONFIG = """
[[consumer]]
path = "/rooms/"
groups = ["all"]
[[consumer.on_message.join]]
join = "room_{{ message.room }}"
[[consumer.on_message.join]]
reply = "{'joined': message.room}"
[consumer.on_message.tell]
allow = ["room_<slug>"]
room = { to = "{{ message.rooms }}", send = "{'told': message.n}" }
[consumer.on_message.tell_others]
allow = ["room_<slug>"]
others = { to = "{{ message.rooms }}", send = "{'others': message.n}" }
[consumer.on_event.split]
emit = { to = "{{ event.rooms }}", send = "{'split': event.n}" }

[[consumer]]
name = "sockets"
protocol = "socket.io"
path = "/socket.io/"
auth = ["anonymous"]
groups = ["all"]
[consumer.on_message.join]
join = "room_{{ args[0] }}"
ack = "'joined'"
[consumer.on_message.tell]
allow = ["room_<slug>"]
room = { to = "{{ args[0] }}", event = "told", data = "args[1]" }
[consumer.on_message.tell_others]
allow = ["room_<slug>"]
others = { to = "{{ args[0] }}", event = "others", data = "args[1]" }
[consumer.on_event.split]
emit = { to = "{{ event.rooms }}", event = "split", data = "event.n" }
"""

LISTS_OF_ITEMS = """
[[consumer]]
path = "/rooms/"
groups = ["all"]
[consumer.on_event.news]
send = "{'news': event.n}"
[consumer.on_message.list]
each = "message.items"
reply = "{'item': item}"
"""

#: The rooms of each client.
MEMBERS = ["", "a", "b", "ab", "abc", "c"]
#: Lists of rooms; the last one names a room twice.
LISTS = [["room_a", "room_b"], ["room_b", "room_c", "room_nobody"], ["room_a"], ["room_a", "room_a", "room_c"]]
ROUNDS = 5


def expected(rooms: str, kind: str, sender: bool = False) -> list[int]:
    """What `io.to(a).to(b)` sends to a member of these rooms."""
    named = [{room.removeprefix("room_") for room in rooms} for rooms in LISTS]
    reached = [number for number in range(ROUNDS * len(LISTS)) if named[number % len(LISTS)] & set(rooms)]
    return [] if sender and kind == "others" else reached


async def test_a_union_of_rooms_reaches_each_client_once_on_every_node(bus, sockets):
    for _ in range(2):
        bus.start_node(wait=False, config=CONFIG)
    bus.wait()
    plain, named = [], []
    for node in bus.nodes:
        for rooms in MEMBERS:
            client = await Client.open(node.port, "/rooms/")
            socket = await sockets.open(node.port)
            for number, room in enumerate(rooms):
                await client.send({"type": "join", "room": room})
                await client.count(number + 1)
                assert await socket.ask("join", room) == ["joined"]
            plain.append((rooms, client))
            named.append((rooms, socket))
    # The senders are members of all rooms.
    sender, sending = plain[4][1], named[4][1]
    async with bus.publisher() as layer:
        for number in range(ROUNDS * len(LISTS)):
            rooms = LISTS[number % len(LISTS)]
            await sender.send({"type": "tell", "rooms": rooms, "n": number})
            await sender.send({"type": "tell_others", "rooms": rooms, "n": number})
            await sending.emit("tell", rooms, number)
            await sending.emit("tell_others", rooms, number)
            await layer.group_send("all", {"type": "split", "rooms": rooms, "n": number})
        # One more of each to everyone, behind which nothing can come.
        everyone = ["room_a", "room_b", "room_c", "room_nobody"]
        for name in ("tell", "tell_others"):
            await plain[-3][1].send({"type": name, "rooms": everyone, "n": -1})
            await named[-3][1].emit(name, everyone, -1)
        await layer.group_send("all", {"type": "split", "rooms": everyone, "n": -1})

    def of_plain(client, kind: str) -> list[int]:
        return [frame[kind] for frame in client.json() if kind in frame]

    for kind in ("told", "others", "split"):
        for rooms, client in plain:
            own = client is sender
            wanted = expected(rooms, kind, own)
            last = [-1] if rooms and not (kind == "others" and client is plain[-3][1]) else []
            await until(lambda: len(of_plain(client, kind)) >= len(wanted + last), f"{kind} in {rooms}")  # noqa: B023
            assert in_order(of_plain(client, kind)) == wanted + last, (kind, rooms)
        for rooms, socket in named:
            wanted = expected(rooms, kind, socket is sending)
            last = [-1] if rooms and not (kind == "others" and socket is named[-3][1]) else []
            got = lambda: [args[0] for args in socket.all(kind)]  # noqa: E731, B023
            await socket.wait(lambda: len(got()) >= len(wanted + last), f"{kind} in {rooms}")  # noqa: B023
            assert in_order(got()) == wanted + last, (kind, rooms)


def in_order(numbers: list[int]) -> list[int]:
    """The last one is from another publisher: it may come before others."""
    return [number for number in numbers if number >= 0] + [-1] * numbers.count(-1)


async def test_the_items_of_a_list_are_sent_with_nothing_in_between(system):
    node = system.start_node(config=LISTS_OF_ITEMS)
    client = await Client.open(node.port, "/rooms/")
    items = list(range(300))
    last = {"item": items[-1]}
    async with system.publisher() as layer:

        async def news() -> None:
            number = 0
            while True:
                await layer.group_send("all", {"type": "news", "n": number})
                number += 1

        publishing = asyncio.create_task(news())
        for turn in range(10):
            before = len(client.frames)
            await client.wait(lambda client, before=before: len(client.frames) > before + 3, "news")
            await client.send({"type": "list", "items": items})
            await client.wait(lambda client, turn=turn: client.json().count(last) == turn + 1, "the list")
        publishing.cancel()
    kinds = ["item" if "item" in frame else "news" for frame in client.json()]
    runs = [kind for number, kind in enumerate(kinds) if number == 0 or kinds[number - 1] != kind]
    assert runs.count("item") == 10
    assert [frame["item"] for frame in client.json() if "item" in frame] == items * 10
    # One too many: the handler fails, and nothing of it is sent.
    before = kinds.count("item")
    await client.send({"type": "list", "items": list(range(1001))})
    await client.send({"type": "list", "items": "no list"})
    await client.send({"type": "list", "items": ["end"]})
    await client.wait(lambda client: {"item": "end"} in client.json(), "the last item")
    assert len([frame for frame in client.json() if "item" in frame]) == before + 1
    assert system.metric(node, "channelgate_refused_messages_total", reason="failed_message") == 2
