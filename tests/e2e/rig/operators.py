"""What operators ask a cluster: its figures with their history, and the live stream."""

import json

from .client import Client, until
from .http import Http
from .system import API_KEY

STATS = "/api/websocket/stats"
LIVE = "/api/websocket/live"

#: A consumer with a group, and one event that it knows.
ROOM = """
[[consumer]]
name = "room"
path = "/room/<str:name>/"
auth = ["anonymous"]
groups = ["room_{{ route.name }}"]
on_event.note.send = "event.text"
"""
#: Two of them.
ROOMS = ROOM + ROOM.replace("room", "desk")


async def stats(port: int, token: str, minutes: int | str | None = 1, status: int = 200) -> dict:
    """The whole answer of a node."""
    query = "" if minutes is None else f"?minutes={minutes}"

    async def answered():
        reply = await Http(port).get(STATS + query, token=token)
        # The nodes could not be asked in time: the machine stood still.
        return None if reply.status == 503 else reply

    reply = await until(answered, "an answer")
    assert reply.status == status, reply
    return reply.json()


def note(text: str = "n") -> dict:
    return {"type": "note", "text": text}


async def publish(node, group: str, *events: dict, is_repeated: bool = False) -> None:
    """Publishes through a node. It may fail only if the caller repeats it: what has arrived is not known then."""
    bodies = [{"group": group, "event": event} for event in events]
    reply = await Http(node.port).post("/api/publish", data=bodies, token=API_KEY)
    assert reply.status == 200 or (is_repeated and reply.status == 503), reply


def start_pair(system, **env: str):
    """Two nodes with names."""
    for name in ("one", "two"):
        system.start_node(wait=False, config=ROOMS, CHANNELGATE__CLUSTER__NAME=name, **env)
    system.wait()
    return system


async def ids(port: int, token: str) -> dict[str, str]:
    """The ids of the nodes `one` and `two` by their names, as soon as both have answered with everything."""

    async def both():
        known = {node["name"]: node["node"] for node in (await stats(port, token))["data"]["perNode"]}
        return known if known.keys() == {"one", "two"} else None

    return await until(both, "both nodes")


def total(values: list[int | None]) -> int:
    """The sum of a series."""
    return sum(value or 0 for value in values)


class Live:
    """A live stream of a node."""

    def __init__(self, client: Client):
        self.client = client

    @classmethod
    async def open(cls, port: int, shown: str | None = None, **options) -> "Live":
        """Opens a stream, and shows a token or a key if there is one."""
        live = cls(await Client.open(port, LIVE, **options))
        if shown is not None:
            await live.client.send({"authorization": shown})
        return live

    def all(self, kind: str) -> list[dict]:
        """The messages of a type so far."""
        return [message for message in map(json.loads, self.client.frames) if message["type"] == kind]

    def figures(self) -> list[dict]:
        """What the page knows: the last of what replaces everything before it, and the samples since then."""
        messages = [
            message for message in map(json.loads, self.client.frames) if message["type"] in ("stats", "sample")
        ]
        start = max((index for index, message in enumerate(messages) if message["type"] == "stats"), default=0)
        return [message["data"] for message in messages[start:]]

    def events(self) -> int:
        """The events of the cluster, as the page knows them."""
        return sum(total(data["history"]["events"]) for data in self.figures())

    def records(self, *kinds: str) -> list[dict]:
        """The records of the tail so far, each with its node."""
        records = [message["record"] | {"node": message["node"]} for message in self.all("tail")]
        return [record for record in records if not kinds or record["kind"] in kinds]

    async def wait(self, condition, what: str):
        """Waits until `condition(self)` is true, and no longer than the stream lasts."""
        await self.client.wait(lambda client: condition(self) or client.closed, what)
        value = condition(self)
        assert value, f"closed with {self.client.closed} before: {what}"
        return value

    async def begins(self) -> bool:
        """Whether the stream begins; otherwise it has ended."""
        await self.wait(lambda live: live.all("stats") or live.client.closed, "the figures, or the end")
        return bool(self.all("stats"))

    async def first(self) -> dict:
        """The figures with which a stream begins."""
        return (await self.wait(lambda live: live.all("stats"), "the figures"))[0]["data"]

    async def tail(self, **wanted) -> None:
        """Asks for records. When this returns, no record of an earlier filter comes any more; the nodes follow soon."""
        await self.client.send({"tail": wanted})
        await self.answers()

    async def answers(self) -> None:
        """The stream goes on: it has read everything before this, and answers."""
        known = len(self.all("invalid"))
        await self.client.send({})
        await self.wait(lambda live: len(live.all("invalid")) > known, "an answer")

    async def close(self) -> None:
        await self.client.close()
