"""Ten thousand joins and leaves end in exact membership: on the nodes, and in Redis."""

import asyncio
import random

import redis.asyncio as redis
from rig.client import until
from rig.config import ECHO

ROOMS = 40
SOCKETS = 20
STEPS = 500


async def test_ten_thousand_joins_and_leaves_end_in_exact_membership(system, sockets, driver):
    for _ in range(2):
        system.start_node(wait=False, config=ECHO, CHANNELGATE__LAYER__LINGER="100ms")
    system.wait()
    kinds = ("js-websocket", "js-polling", "py-websocket", "js-websocket")
    clients = [
        await sockets.open(system.nodes[number % 2].port, kind=kinds[number % len(kinds)]) for number in range(SOCKETS)
    ]
    chance = random.Random(7)
    walks = [[(chance.choice(("join", "leave")), chance.randrange(ROOMS)) for _ in range(STEPS)] for _ in clients]

    async def walk(client, steps) -> None:
        for action, room in steps:
            await client.emit(action, room)
        # Handlers of one connection run in order: when this is answered, all earlier ones are done.
        assert await client.ask("echo", "done") == ["done"]

    await asyncio.gather(*(walk(client, steps) for client, steps in zip(clients, walks, strict=True)))
    members = [{room for room in range(ROOMS) if last_is_join(steps, room)} for steps in walks]
    await exactly(system, driver, clients, members, "after the walk")
    keys = {f"asgi:group:room_{room}" for room in set().union(*members)}
    async with redis.Redis.from_url(system.redis_url) as connection:
        await until(lambda: equals(connection, "asgi:group:room_*", keys), "empty groups to be gone")
        # Half of them disconnect without leaving first, the others leave.
        for client in clients[::2]:
            await sockets.close(client)
        for client, rooms in list(zip(clients, members, strict=True))[1::2]:
            for room in rooms:
                await client.emit("leave", room)
            assert await client.ask("echo", "done") == ["done"]
        await until(lambda: equals(connection, "asgi:group:room_*", set()), "all groups to be gone")
    await exactly(system, driver, clients[1::2], [set() for _ in clients[1::2]], "after all have left")


def last_is_join(steps, room: int) -> bool:
    actions = [action for action, other in steps if other == room]
    return bool(actions) and actions[-1] == "join"


async def exactly(system, driver, clients, members, when: str) -> None:
    """Each room is sent its own number; exactly its members must get it."""

    def called(client) -> list[int]:
        return sorted(args[0]["room"] for args in client.all("roll") if args[0]["when"] == when)

    for room in range(ROOMS):
        call = {"to": [f"room_{room}"], "event": "roll", "args": [{"room": room, "when": when}]}
        await driver.tell("publish", redis=system.redis_url, **call)
    for client, rooms in zip(clients, members, strict=True):
        await client.wait(lambda client=client, rooms=rooms: len(called(client)) >= len(rooms), f"the roll {when}")
    # One more for everyone: all other messages have arrived by then.
    await driver.tell("publish", redis=system.redis_url, event="end", args=[when])
    for client, rooms in zip(clients, members, strict=True):
        await client.wait(lambda client=client: [when] in client.all("end"), f"the end {when}")
        assert called(client) == sorted(rooms), when


async def equals(connection, pattern: str, expected: set[str]) -> bool:
    return {key.decode() async for key in connection.scan_iter(pattern)} == expected


async def test_the_number_of_rooms_per_client_is_limited(system, sockets, driver):
    node = system.start_node(config=ECHO.replace('name = "echo"\n', 'name = "echo"\nmax_rooms = 10\n'))
    client = await sockets.open(node.port)
    for room in range(50):
        await client.emit("join", room)
    assert await client.ask("echo", "still served") == ["still served"]
    await exactly(system, driver, [client], [set(range(10))], "at the limit")
    # A client that leaves a room may join another; joining one twice counts once.
    for action, room in (("leave", 0), ("join", 1), ("join", 20), ("join", 21)):
        await client.emit(action, room)
    assert await client.ask("echo", "done") == ["done"]
    await exactly(system, driver, [client], [{*range(1, 10), 20}], "at the limit again")
