"""Common scenes of the repair shop tests."""

import itertools
import uuid

from .demo import mint_person


def stranger(role: str | None = None):
    """A person with a number and, by default, a unique role."""
    number = uuid.uuid4().int % 10**9
    return mint_person(number, role or f"role{number}")


def user_ids(client, event: str) -> list:
    return [args[0]["userId"] for args in client.all(event)]


async def joined(client, watcher, room: str) -> None:
    """Returns once the client has joined this room: it then receives the messages of the watcher in it."""
    for number in itertools.count(1):
        before = len(client.all("user_typing_stop"))
        await watcher.emit("typing_stop", {"roomName": room})
        try:
            await client.args("user_typing_stop", before + 1, 0.2)
        except AssertionError:
            assert number < 150, f"never in {room}"
            continue
        return


async def pair_in(gate, clients, room: str):
    """Two people in a room, each aware of the other."""
    people = stranger(), stranger()
    pair = [await clients.open(gate.port, person) for person in people]
    for client in pair:
        await client.emit("join_room", room)
    await joined(pair[0], pair[1], room)
    await joined(pair[1], pair[0], room)
    return *pair, *people
