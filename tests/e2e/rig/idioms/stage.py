"""One run of a scenario on one side, and what was seen: frames, ends, refusals, rows."""

import asyncio
import dataclasses
import json
import re
from collections.abc import Awaitable, Callable

from ..client import DEADLINE, Client, refusal, until
from ..http import Http
from .document import Section
from .sides import Side, Sides

#: Rows that are made by scenarios and consumers have larger ids than these.
FIRST_ROW = 10_000_000
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^ ]*")
_ROW = re.compile(r"(?<!\d)1\d{7}(?!\d)")
_CHANNEL = re.compile(r"specific\.\S+")


class Actor(Client):
    """A client of a scenario; it waits no longer than the stage has patience."""

    patience = DEADLINE

    async def wait(self, condition, what: str, deadline: float = DEADLINE):
        return await super().wait(condition, what, min(deadline, self.patience))

    async def got(self, /, **values) -> dict:
        """Waits for a frame with these values, and returns it."""

        def found(client: Client) -> dict | None:
            frames = [frame for frame in map(decoded, client.frames) if isinstance(frame, dict)]
            return next((frame for frame in frames if values.items() <= frame.items()), None)

        return await self.wait(found, f"a frame with {values}")

    async def ask(self, message, /, **values) -> dict:
        """Sends a message, and waits for a frame with these values."""
        await self.send(message)
        return await self.got(**values)

    async def vanish(self) -> None:
        """It goes without a close: Daphne's consumer dies if it sends in the middle of a closing handshake."""
        self.connection.transport.abort()
        await self.reader

    async def settle(self) -> None:
        """All that was sent to it before has come."""
        if self.closed is None:
            await (await self.connection.ping())


def decoded(frame: str | bytes):
    """JSON as its value, other text and bytes as they are."""
    try:
        return json.loads(frame)
    except ValueError:
        return frame


class Stage:
    """What a scenario has: its people, and ways to open clients, to publish and to read rows."""

    def __init__(self, section: Section, side: Side, sides: Sides, patience: float = DEADLINE):
        self.section = section
        self.side = side
        self.people = {name: Person(**one) for name, one in sides.people[section.number].items()}
        self.patience = patience
        self.actors: dict[str, Actor] = {}
        self.notes: list = []
        self.sorted: set[str] = set()
        self._site = Http(side.django_port)
        self._known: dict[str, str] = {}

    def __getattr__(self, name: str) -> "Person":
        """`stage.anna`."""
        if name in self.__dict__.get("people", ()):
            return self.people[name]
        raise AttributeError(name)

    async def open(self, path: str, who: str | None = None, label: str | None = None, **options) -> Actor:
        """A client, with this person's session; without the path's beginning `/ws/<slug>/`."""
        client = await Actor.open(self.side.port, self.path(path), **self._options(who, options))
        client.patience = self.patience
        label = label or who or "somebody"
        if label in self.actors:
            label = f"{label} {len(self.actors)}"
        self.actors[label] = client
        return client

    def path(self, rest: str) -> str:
        return f"/ws/{self.section.slug}/{rest}"

    def _options(self, who: str | None, options: dict) -> dict:
        headers = dict(options.pop("headers", {}))
        if who:
            headers["Cookie"] = f"sessionid={self.people[who].session}"
        return {"additional_headers": headers, **options}

    async def refused(self, path: str, who: str | None = None, **options) -> int:
        """A handshake whose status counts."""
        status = await refusal(self.side.port, self.path(path), **self._options(who, options))
        self.note("handshake", status)
        return status

    async def publish(self, group: str, **event) -> None:
        """As any process of the project does it."""
        async with self.side.system.publisher() as layer:
            await layer.group_send(group, event)

    async def run(self, function: str, **arguments):
        """A function of the section, in Django. `user` is a person's id there, and becomes the user."""
        reply = await self._site.post(f"/run/{self.section.number}/{function}/", data=arguments)
        assert reply.status == 200, reply.body
        return reply.json()["result"]

    async def make(self, model: str, **fields) -> int:
        """A row of the office; lists are relations."""
        reply = await self._site.post(f"/make/office.{model}/", data=fields)
        assert reply.status == 200, reply.body
        return reply.json()["id"]

    async def rows(self, model: str, **values) -> list[dict]:
        """The rows with these values, which count."""
        reply = await self._site.post(f"/rows/office.{model}/", data=values)
        assert reply.status == 200, reply.body
        rows = reply.json()["rows"]
        self.note(model, rows)
        return rows

    async def runs(self, method: str) -> int:
        """How often a method of a consumer has run on this side: `OrderConsumer.order_status`."""
        return (await self._site.get(f"/count/{method}/")).json()["count"]

    async def stored(self, model: str, number: int, **values) -> None:
        """Waits for so many rows with these values, which count."""

        async def there() -> bool:
            reply = await self._site.post(f"/rows/office.{model}/", data=values)
            return len(reply.json()["rows"]) >= number

        await until(there, f"{number} rows of {model} with {values}", self.patience)
        await self.rows(model, **values)

    def note(self, what: str, value) -> None:
        """Something else that has to be equal."""
        self.notes.append([what, value])

    def call_it(self, value: str, name: str) -> None:
        """What a side makes by chance has this name wherever it is all of a text."""
        self._known[value] = name

    def in_any_order(self, client: Actor) -> None:
        """What this client gets has no order that anybody promises."""
        self.sorted |= {label for label, one in self.actors.items() if one is client}

    async def end(self) -> dict:
        """Waits for what is under way; what was seen, in the form in which sides are compared."""
        for client in self.actors.values():
            await client.settle()
        seen = {}
        for label, client in self.actors.items():
            frames = [self._comparable(frame) for frame in client.frames]
            if label in self.sorted:
                frames.sort()
            # Daphne leaves out the reason of a close.
            seen[label] = {"frames": frames, "closed": client.closed and client.closed[0]}
        seen["notes"] = [[what, self._replaced(value)] for what, value in self.notes]
        return seen

    async def close(self) -> None:
        await asyncio.gather(*(client.close() for client in self.actors.values()))

    def _comparable(self, frame: str | bytes) -> str:
        """Text that is equal if the values are, with the order of keys."""
        value = decoded(frame)
        return repr(self._replaced(value)) if value is frame else json.dumps(self._replaced(value))

    def _replaced(self, value):
        """Ids of new rows and names of channels by the order of their appearance, times by their shape."""
        match value:
            case dict():
                return {name: self._replaced(one) for name, one in value.items()}
            case list() | tuple():
                return [self._replaced(one) for one in value]
            case int() if value > FIRST_ROW and not isinstance(value, bool):
                return self._name("row", str(value))
            case str() if value.isdigit() and int(value) > FIRST_ROW:
                return f"'{self._name('row', value)}'"
            case str() if value in self._known:
                return self._known[value]
            case str():
                value = _ROW.sub(lambda row: self._name("row", row[0]), value)
                value = _TIME.sub(lambda time: re.sub(r"\d", "9", time[0]), value)
                return _CHANNEL.sub(lambda channel: self._name("channel", channel[0]), value)
        return value

    def _name(self, kind: str, value: str) -> str:
        same = [one for one in self._known.values() if one.startswith(kind)]
        return self._known.setdefault(value, f"{kind} {len(same) + 1}")


@dataclasses.dataclass(frozen=True)
class Person:
    """Who may log in, and with what."""

    id: int
    name: str
    session: str
    token: str
    jwt: str


@dataclasses.dataclass(frozen=True)
class Scenario:
    """What is done for one section, and a change of its configuration with which something else must be seen."""

    number: int
    play: Callable[[Stage], Awaitable[None]]
    breaks: tuple[str, str]


#: By number.
SCENARIOS: dict[int, Scenario] = {}


def scenario(number: int, breaks: tuple[str, str]):
    """Registers the scenario of a section."""

    def register(play: Callable[[Stage], Awaitable[None]]):
        assert number not in SCENARIOS, number
        SCENARIOS[number] = Scenario(number, play, breaks)
        return play

    return register


async def play(section: Section, side: Side, sides: Sides, patience: float = DEADLINE) -> dict:
    """Runs the scenario of a section on this side; what was seen."""
    stage = Stage(section, side, sides, patience)
    try:
        await SCENARIOS[section.number].play(stage)
        return await stage.end()
    except Exception as error:
        error.add_note(f"on {side.name}")
        raise
    finally:
        await stage.close()
