"""Order per publisher: a client gets what one publisher sent in the order in which it was sent, whichever of its groups
it went to. Three nodes, rooms that are joined and left meanwhile, and clients that read slowly; both channel layers.
"""

import asyncio
import contextlib
import json
import random

from rig.client import Client, until
from rig.raw import PING, PONG, TEXT, Raw
from rig.reconcile import Log, Stay, faults

CONFIG = """
[[consumer]]
path = "/ws/<str:user>/"
groups = ["all", "user_{{ route.user }}"]
max_rooms = 10
[consumer.on_event.tick]
send = "{'publisher': event.publisher, 'number': event.number, 'group': event.group, 'filler': event.filler}"
[consumer.on_message.join]
join = "room_{{ message.room }}"
allow = "room_<int>"
reply = "{'joined': message.room}"
[consumer.on_message.leave]
leave = "room_{{ message.room }}"
allow = "room_<int>"
reply = "{'left': message.room}"
"""
PUBLISHERS, EVENTS, CLIENTS, ROOMS = 3, 400, 4, 5
CAPACITY = 5000


class Wanderer:
    """A client that joins and leaves rooms, and what it must have received."""

    def __init__(self, client: Client, log: Log, user: str):
        self.client = client
        self.log = log
        self.read_up_to = 0
        self.events: list[dict] = []
        self.answers: list[dict] = []
        #: The last event for all, by publisher.
        self.newest: dict[str, int] = {}
        # It is open: it is a member of these.
        now = log.begun()
        self.stays = [Stay(group, {}, certain_from=now) for group in ("all", f"user_{user}")]

    async def wander(self, seed: int, is_over) -> None:
        chance = random.Random(seed)
        inside: dict[int, Stay] = {}
        while not is_over():
            room = chance.randrange(ROOMS)
            if room not in inside:
                stay = inside[room] = Stay(f"room_{room}", after=self.log.confirmed())
                self.stays.append(stay)
                await self.ask("join", "joined", room)
                stay.certain_from = self.log.begun()
            else:
                stay = inside.pop(room)
                stay.certain_to = await self.settle()
                await self.ask("leave", "left", room)
                stay.until = self.log.begun()
            await asyncio.sleep(chance.random() * 0.02)

    async def settle(self) -> dict[str, int]:
        """Waits for what was sent up to the last event for all; if the order holds, it has arrived with that one."""
        last = self.log.last("all", confirmed=True)
        await until(lambda: self.has(last), "what was sent before the leave")
        return {publisher: number + 1 for publisher, number in last.items()}

    def has(self, numbers: dict[str, int]) -> bool:
        """Whether it has received these, or later ones, of each publisher."""
        self.read()
        return all(self.newest.get(publisher, -1) >= number for publisher, number in numbers.items())

    def read(self) -> None:
        for text in self.client.frames[self.read_up_to :]:
            frame = json.loads(text)
            if "publisher" in frame:
                self.events.append(frame)
                if frame["group"] == "all":
                    self.newest[frame["publisher"]] = frame["number"]
            else:
                self.answers.append(frame)
        self.read_up_to = len(self.client.frames)

    async def ask(self, what: str, answer: str, room: int) -> None:
        before = len(self.answers)
        await self.client.send({"type": what, "room": room})
        await until(lambda: self.read() or len(self.answers) > before, f"{answer} {room}")
        assert self.answers[before:] == [{answer: room}]


async def publish(layer, log: Log, name: str, seed: int) -> None:
    """One publisher: events to all, to users and to rooms, one after the other."""
    chance = random.Random(seed)
    for _ in range(EVENTS):
        groups = ["all", f"user_{chance.randrange(3 * CLIENTS)}", f"room_{chance.randrange(ROOMS)}"]
        group = chance.choice(groups)
        number = log.begin(name, group)
        event = {"type": "tick", "publisher": name, "number": number, "group": group, "filler": "x" * 500}
        await layer.group_send(group, event)
        log.done(name)
        if chance.random() < 0.3:
            await asyncio.sleep(0)


class SlowReader:
    """A client that reads a few frames, pauses, and reads on without a pause once it is over."""

    def __init__(self, raw: Raw, at: int, is_over):
        self.raw = raw
        self.at = at
        self.is_over = is_over
        self.events: list[dict] = []
        #: The last event for all, by publisher.
        self.newest: dict[str, int] = {}
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            for _ in range(5):
                opcode, payload = await self.raw.read(60)
                if opcode == PING:
                    # All this may take longer than a client may leave a ping without an answer.
                    await self.raw.frame(PONG, payload)
                    continue
                assert opcode == TEXT, (opcode, payload)
                event = json.loads(payload)
                self.events.append(event)
                if event["group"] == "all":
                    self.newest[event["publisher"]] = event["number"]
            if not self.is_over():
                await asyncio.sleep(0.05)

    def has(self, numbers: dict[str, int]) -> bool:
        """Whether it has received these, or later ones, of each publisher."""
        if self.task.done():
            self.task.result()
        return all(self.newest.get(publisher, -1) >= number for publisher, number in numbers.items())

    def leave(self) -> None:
        self.task.cancel()
        self.raw.abort()


async def test_a_client_gets_what_one_publisher_sent_in_order_whichever_of_its_groups_it_went_to(bus):
    nodes = [bus.start_node(config=CONFIG, wait=False, CHANNELGATE__LAYER__CAPACITY=str(CAPACITY)) for _ in range(3)]
    bus.wait()
    log, over = Log(), asyncio.Event()
    wanderers, slow = [], []
    for at, node in enumerate(nodes):
        for number in range(CLIENTS):
            user = str(at * CLIENTS + number)
            wanderers.append(Wanderer(await Client.open(node.port, f"/ws/{user}/"), log, user))
        slow.append(SlowReader(await Raw.stalled(node.port, f"/ws/{at}/"), at, over.is_set))
    async with contextlib.AsyncExitStack() as stack:
        layers = [await stack.enter_async_context(bus.publisher(capacity=CAPACITY)) for _ in range(PUBLISHERS)]
        walks = [asyncio.create_task(one.wander(seed, over.is_set)) for seed, one in enumerate(wanderers)]
        await asyncio.gather(*(publish(layer, log, f"p{at}", at) for at, layer in enumerate(layers)))
        over.set()
        await asyncio.gather(*walks)
    last = log.last("all")
    for one in (*wanderers, *slow):
        await until(lambda one=one: one.has(last), "the last event for all")
    # What was sent after the last event for all may still be under way.
    end = {name: number + 1 for name, number in last.items()}
    wrong = {}
    for at, one in enumerate(wanderers):
        for stay in one.stays:
            stay.certain_to = end if stay.certain_to is None else stay.certain_to
        wrong[f"client {at}"] = faults(log, one.stays, one.events)
    for one in slow:
        stays = [Stay(group, {}, {}, end) for group in ("all", f"user_{one.at}")]
        wrong[f"slow client {one.at}"] = faults(log, stays, one.events)
    assert not any(wrong.values()), {name: found[:5] for name, found in wrong.items() if found}
    assert sum(len(one.stays) for one in wanderers) > 4 * len(wanderers), "they joined too few rooms"
    assert all(len(one.events) > EVENTS for one in slow)
    for one in wanderers:
        await one.client.close()
    for one in slow:
        one.leave()
