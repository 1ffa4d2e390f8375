"""`python_per`: one call of Python for all connections that share it, with the frames that Daphne sends."""

import asyncio
import contextlib
import dataclasses

import pytest
from rig.client import DEADLINE, Client, until
from rig.corpus.target import Target, make_database

CONFIG = """
[[consumer]]
name = "poll"
path = "/ws/poll/<int:room>/"
django = true
[consumer.on_event.tick]
send = "{'tick': event.n}"
[consumer.on_event."poll.room"]
python_per = "room"
[consumer.on_event."poll.mine"]
python_per = "user"
[consumer.on_event."poll.each"]
python_per = "connection"
[consumer.on_event."poll.rare"]
python_per = "event"
throttle = "1/60s"
[consumer.on_event."poll.rarely"]
python_per = "connection"
throttle = "2/60s"
[consumer.on_event."*"]
python_per = "event"
"""
#: The same, with a state that is changed in a shared call; and calls wait for Django for a moment only.
HASTY = '[bridge]\nwait = "1s"\n' + CONFIG.replace('[consumer.on_event."poll.each"]\npython_per = "connection"\n', "")
APPLICATION = "corpus.sharing.asgi:application"


@dataclasses.dataclass
class Place:
    """A target and the ports that clients use in turn."""

    target: Target
    ports: list[int]

    @contextlib.asynccontextmanager
    async def clients(self, *who: tuple[int, str | None]):
        """Connections to these rooms, as these users."""
        async with asyncio.timeout(60):
            made = [self._open(number, room, user) for number, (room, user) in enumerate(who)]
            clients = await asyncio.gather(*made)
        try:
            yield clients
        finally:
            await asyncio.gather(*(client.close() for client in clients))

    async def _open(self, number: int, room: int, user: str | None) -> Client:
        cookie = {"Cookie": f"sessionid={self.target.people[user]['session']}"} if user else {}
        port = self.ports[number % len(self.ports)]
        client = await Client.open(port, f"/ws/poll/{room}/", additional_headers=cookie)
        # Its connect() has come to its end, so it is in its groups.
        await client.send({"n": "hello"})
        await client.count(1)
        client.frames.clear()
        return client

    def calls(self) -> int:
        """The calls of handlers so far."""
        file = self.target.directory / "calls.txt"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def metric(self, name: str, **labels: str) -> float:
        return sum(self.target.system.metric(node, name, **labels) for node in self.target.system.nodes)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Daphne, and nodes with a Django of their own; the third shares a handler that cannot be, and does not wait."""
    directory = tmp_path_factory.mktemp("per")
    seed = make_database(directory)
    daphne = Target("daphne", directory / "daphne", "core", seed).serve("daphne", APPLICATION)
    nodes = Target("nodes", directory / "nodes", "core", seed).serve("uvicorn", APPLICATION, bridge=True)
    nodes.system.backend = "http"
    try:
        for config in (CONFIG, CONFIG, HASTY):
            nodes.system.start_node(wait=False, config=config)
        daphne.wait()
        nodes.wait()
        yield daphne, nodes
    finally:
        daphne.stop()
        nodes.stop()


def one(world) -> Place:
    return Place(world[1], world[1].ports[:1])


def places(world):
    """Where a scenario runs: what is right first, then one node, then two."""
    daphne, nodes = world
    return [Place(daphne, [daphne.http_port]), one(world), Place(nodes, nodes.ports[:2])]


async def play(place: Place, who, rounds, expected: int = 0):
    """Publishes events for connections, each round when the one before has been received; what each connection has got,
    how many calls were made, and how much was published: it waits for so much, which comes after the last frame."""
    before = place.calls()
    async with place.clients(*who) as clients, place.target.system.publisher() as layer:
        ear = await layer.new_channel()
        await layer.group_add("poll_log", ear)
        for frames, events in rounds:
            for group, event in events:
                await layer.group_send(group, event)
            for client in clients:
                await client.count_of(frames)
        got = [client.json() for client in clients]
        if rounds[-1][1][-1][1]["type"] == "poll.over":
            # The close comes after the last frame.
            for client in clients:
                await client.gone()
        published = 0
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(0.5 if published >= expected else DEADLINE):
                    await layer.receive(ear)
                published += 1
        assert [client.json() for client in clients] == got, "nothing more comes"
        ends = [client.closed for client in clients]
    return got, ends, place.calls() - before, published


FIFTY = [(1, ("anna", "ben", "carl")[number % 3]) for number in range(50)]
PAIRS = [(2, user) for user in ("anna", "anna", "ben", "ben", "carl", "carl")]


def event(kind: str, n: int = 0) -> dict:
    return {"type": kind, "n": n}


@pytest.mark.parametrize(
    ("who", "rounds", "calls", "published"),
    [
        # In its place among what the configuration sends.
        (
            FIFTY,
            [(5, [("poll_1", event(kind, n)) for n, kind in enumerate(["tick", "poll.results", "tick", "tick"])])],
            [50, 1, 2],
            [50, 1, 2],
        ),
        # Both connections of a user are on one node, then on two.
        (PAIRS, [(1, [("poll_2", event("poll.mine", 1))])], [6, 3, 6], [0, 0, 0]),
        ([(3, None)] * 3, [(1, [("poll_3", event("poll.mine", 1))])], [3, 3, 3], [0, 0, 0]),
        # A group of all, whose members are in several rooms.
        ([(4, "anna"), (4, "ben"), (5, "anna")] * 2, [(1, [("polls", event("poll.room"))])], [6, 2, 4], [0, 0, 0]),
        ([(6, "anna")] * 3, [(2, [("poll_6", event("poll.each"))] * 2)], [6, 6, 6], [0, 0, 0]),
        # It leaves the first group and joins the other; a message to its own channel is for itself.
        (
            [(7, "anna")] * 4,
            [
                (2, [("poll_7", event("poll.move"))]),
                (3, [("poll_7", event("tick", 1)), ("poll_moved", event("tick", 2))]),
            ],
            [4, 1, 2],
            [0, 0, 0],
        ),
        (
            [(8, "anna")] * 4,
            [(2, [("poll_8", event("tick", 1)), ("poll_8", event("poll.over"))])],
            [4, 1, 2],
            [0, 0, 0],
        ),
        # Under Daphne the consumer itself drops what comes too often, when it has been called.
        (
            [(13, "anna")] * 4,
            [(2, [("poll_13", event(kind, n)) for n, kind in enumerate(["poll.rare"] * 3 + ["tick"])])],
            [12, 1, 2],
            [0, 0, 0],
        ),
        (
            [(14, "anna")] * 4,
            [(3, [("poll_14", event(kind, n)) for n, kind in enumerate(["poll.rarely"] * 4 + ["tick"])])],
            [16, 8, 8],
            [0, 0, 0],
        ),
    ],
    ids=["event", "user", "anonymous", "room", "connection", "groups", "close", "throttle", "throttle each"],
)
async def test_connections_get_what_daphne_sends_from_fewer_calls(world, who, rounds, calls, published):
    seen = [await play(place, who, rounds, expected) for place, expected in zip(places(world), published, strict=True)]
    for got, ends, _, _ in seen[1:]:
        assert (got, ends) == seen[0][:2]
    assert ([made for *_, made, _ in seen], [heard for *_, heard in seen]) == (calls, published)


async def test_a_connection_that_is_busy_gets_everything_after_its_own_answer(world):
    seen = []
    for place in places(world)[:2]:
        async with place.clients((9, "anna"), (9, "ben")) as clients, place.target.system.publisher() as layer:
            over = place.target.directory / "over"
            await clients[0].send({"busy_until": over.name, "n": "busy"})
            await (await clients[0].connection.ping())
            for kind, n in (("poll.results", 1), ("tick", 2)):
                await layer.group_send("poll_9", event(kind, n))
            meanwhile = (await clients[1].count(3))[:3], list(clients[0].frames)
            over.touch()
            seen.append([*meanwhile, await clients[0].count(4)])
    assert seen[1] == seen[0]
    assert seen[0][1] == [] and seen[0][2][0] == {"heard": "busy"}


async def test_a_change_of_the_consumer_in_a_shared_call_ends_its_connections_and_says_why(world):
    node = world[1].system.nodes[2]
    place = Place(world[1], [node.port])
    async with place.clients((10, "anna"), (10, "ben")) as clients, world[1].system.publisher() as layer:
        await layer.group_send("poll_10", event("poll.each"))
        assert {await client.gone() for client in clients} == {(1011, "")}
    text = (
        'corpus.sharing.consumers.PollConsumer changes self.seen in poll_each(): python_per = "event" runs it for one'
        ' of several connections, and the others could not keep that. Write python_per = "connection"'
    )
    await until(lambda: text in node.log.read_text(), "the reason in the log")
    assert world[1].system.metric(node, "channelgate_bridge_refused_total", kind="python_per") == 1


async def test_calls_and_those_who_share_them_are_counted(world):
    place = one(world)
    counted = ("channelgate_bridge_calls_total", {"call": "event", "outcome": "open"})
    shared = ("channelgate_bridge_sharers_total", {"per": "event"})
    before = [place.metric(name, **labels) for name, labels in (counted, shared)]
    await play(place, [(11, "anna")] * 5, [(2, [("poll_11", event("poll.results"))])], 1)

    def since() -> list[float]:
        after = [place.metric(name, **labels) for name, labels in (counted, shared)]
        return [new - old for old, new in zip(before, after, strict=True)]

    # The call ends after its frames.
    await until(lambda: all(since()), "the call to be counted")
    assert since() == [1, 5]


async def test_a_call_that_waits_for_django_is_made_or_ends_all_its_connections(world):
    patient, system = one(world), world[1].system
    hasty = Place(world[1], [system.nodes[2].port])
    who = [(12, "anna")] * 3
    async with patient.clients(*who) as served, hasty.clients(*who) as closed, system.publisher() as layer:
        system.django.kill()
        for kind, n in (("poll.results", 1), ("tick", 2)):
            await layer.group_send("poll_12", event(kind, n))
        assert {(await client.gone())[0] for client in closed} == {1013}
        await until(lambda: system.metric(system.nodes[0], "channelgate_bridge_waiting") == 1, "one call that waits")
        system.django.start().wait()
        assert [(await client.count(3))[::2] for client in served] == [[{"computing": 1}, {"tick": 2}]] * 3
        assert all(client.frames == [] for client in closed)
