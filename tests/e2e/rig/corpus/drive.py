"""Runs a scenario against one target, and reports everything that can be seen from outside."""

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import Iterable

import stack
import websockets

from ..client import Client, until
from ..deadline import in_time
from ..http import Http
from .normal import Names
from .scenario import (
    Close,
    Drop,
    Frames,
    Gone,
    Heard,
    Open,
    Publish,
    Request,
    Rows,
    Save,
    Scenario,
    Send,
    Step,
    Stored,
)
from .target import Target

#: For each thing that a step waits for.
DEADLINE = 25.0
#: In the end nothing more may come for so long.
QUIET = 0.2
#: Every server has these of its own.
COMMON = {
    "server",
    "date",
    "connection",
    "upgrade",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "content-length",
    "transfer-encoding",
}


@dataclasses.dataclass
class Trace:
    """What a run looked like; `failed` is the step that did not come to its end."""

    handshakes: dict = dataclasses.field(default_factory=dict)
    frames: dict = dataclasses.field(default_factory=dict)
    ends: dict = dataclasses.field(default_factory=dict)
    answers: list = dataclasses.field(default_factory=list)
    events: dict = dataclasses.field(default_factory=dict)
    rows: dict = dataclasses.field(default_factory=dict)
    failed: str | None = None
    seconds: float = 0.0

    def comparable(self) -> dict:
        """With names for what differs by chance, in one order for all parts."""
        names = Names()
        parts = ("answers", "handshakes", "frames", "ends", "events", "rows", "failed")
        return {part: names.of(getattr(self, part)) for part in parts}


class Run:
    """One scenario on one target."""

    def __init__(self, scenario: Scenario, target: Target, layer, deadline: float):
        self.scenario, self.target, self.layer, self.deadline = scenario, target, layer, deadline
        self.trace = Trace()
        self.clients: dict[str, Client] = {}
        self.unordered: dict[str, int] = {}
        self.left: set[str] = set()
        self.saved: dict[str, object] = {}
        self.heard: dict[str, list] = {group: [] for group in scenario.events}
        self.listeners: list[asyncio.Task] = []

    async def run(self) -> Trace:
        began = time.monotonic()
        async with self.target.system.publisher() as ears:
            await self._play(ears)
        self._record()
        self.trace.seconds = time.monotonic() - began
        return self.trace

    async def _play(self, ears) -> None:
        try:
            await self._listen(ears)
            for step in self.scenario.steps:
                self.trace.failed = str(step)
                await in_time(self.deadline + 5, self._step(step))
            self.trace.failed = "the end"
            await self._end()
            self.trace.failed = None
        except (AssertionError, TimeoutError, websockets.WebSocketException, OSError, LookupError) as error:
            self.trace.failed += f": {type(error).__name__}: {error}"
        finally:
            for task in self.listeners:
                task.cancel()
            await asyncio.gather(*self.listeners, return_exceptions=True)
            for client in self.clients.values():
                client.reader.cancel()
                client.connection.transport.abort()

    async def _listen(self, ears) -> None:
        """Joins the groups, with a layer of its own: channels_redis may lose a message if another receiver ends."""
        for group in self.heard:
            channel = await ears.new_channel()
            await ears.group_add(group, channel)
            self.listeners.append(asyncio.create_task(self._hear(group, channel, ears)))

    async def _hear(self, group: str, channel: str, ears) -> None:
        while True:
            self.heard[group].append(await ears.receive(channel))

    async def _step(self, step: Step) -> None:
        match step:
            case Open():
                await self._open(step)
            case Send(name, message):
                text = message if isinstance(message, str | bytes) else json.dumps(message, ensure_ascii=False)
                await self.clients[name].send(self._filled(text) if isinstance(text, str) else text)
            case Frames(name, total, unordered):
                if unordered:
                    self.unordered[name] = total
                await self.clients[name].count_of(total, self.deadline)
            case Publish(group, event):
                await self.layer.group_send(self._filled(group), dict(event))
            case Request():
                await self._request(step)
            case Save(name, key, into):
                self.saved[into] = json.loads(self.clients[name].frames[-1])[key]
            case Close(name, code, reason):
                await self.clients[name].connection.close(code, reason)
                await self.clients[name].gone(self.deadline)
                # Servers answer with another code, or with the client's.
                self.left.add(name)
            case Drop(name):
                self.clients[name].connection.transport.abort()
            case Gone(name):
                if name in self.clients:
                    await self.clients[name].gone(self.deadline)
            case Heard(group, total):
                await until(lambda: len(self.heard[group]) >= total, f"{total} events of {group}", self.deadline)
            case Stored(table, where, count):
                await self._rows(table, where, count)

    async def _open(self, step: Open) -> None:
        person = self.target.people.get(step.user, {})
        port = self.target.ports[len(self.clients) % len(self.target.ports)]
        headers = {name: self._filled(value) for name, value in step.headers.items()}
        if person:
            headers["Cookie"] = "; ".join([f"sessionid={person['session']}", *filter(None, [headers.get("Cookie")])])
        options = {"additional_headers": headers}
        if step.protocols:
            options["subprotocols"] = [self._filled(protocol) for protocol in step.protocols]
        if step.origin != "":
            options["origin"] = step.origin
        try:
            client = await Client.open(port, self._filled(step.path), step.host or stack.LOOPBACK, **options)
        except websockets.InvalidHandshake as error:
            if step.loose:
                self.trace.handshakes[step.name] = "refused"
                return
            if not isinstance(error, websockets.InvalidStatus):
                raise
            response = error.response
            seen: dict = {"status": response.status_code}
            if step.whole:
                seen |= {"headers": own_headers(response.headers), "body": bytes(response.body).decode()}
            self.trace.handshakes[step.name] = seen
            return
        self.clients[step.name] = client
        self.trace.handshakes[step.name] = {
            "status": 101,
            "subprotocol": client.connection.subprotocol,
            "headers": own_headers(client.connection.response.headers),
        }

    async def _request(self, step: Request) -> None:
        headers = {}
        if step.user:
            headers["Cookie"] = f"sessionid={self.target.people[step.user]['session']}"
        reply = await Http(self.target.http_port).request(
            step.method, self._filled(step.path), data=step.data, headers=headers
        )
        body = reply.json()
        self.saved |= {key: body[key] for key in step.save}
        self.trace.answers.append([reply.status, {key: "…" if key in step.save else body[key] for key in body}])

    def _filled(self, text: str) -> str:
        for name, person in self.target.people.items():
            for key, value in person.items():
                text = text.replace(f"{{{name}.{key}}}", str(value))
        for key, value in self.saved.items():
            text = text.replace(f"{{{key}}}", str(value))
            if isinstance(value, dict):
                for inner, leaf in value.items():
                    text = text.replace(f"{{{key}[{inner}]}}", str(leaf))
        return text

    async def _end(self) -> None:
        """Waits until nothing more comes, closes what is open, and waits for what must happen then."""
        await self._quiet()
        for name, client in self.clients.items():
            if not client.closed:
                self.left.add(name)
                await client.connection.close()
        for client in self.clients.values():
            await client.gone(self.deadline)
        for group, total in self.scenario.events.items():
            await until(lambda: len(self.heard[group]) >= total, f"{total} events of {group}", self.deadline)  # noqa: B023
        for rows in self.scenario.rows:
            await self._rows(rows.table, f"({rows.where}) AND ({rows.done})", rows.count)
        if self.scenario.events:
            await self._quiet()

    async def _quiet(self) -> None:
        count = lambda: sum(len(c.frames) for c in self.clients.values()) + sum(map(len, self.heard.values()))  # noqa: E731
        before = -1
        while before != (before := count()):  # noqa: ASYNC110  nothing tells that nothing comes
            await asyncio.sleep(QUIET)

    async def _rows(self, table: str, where: str, count: int) -> None:
        sql = f"SELECT count(*) AS number FROM {table} WHERE {self._filled(where)}"  # noqa: S608
        number = lambda: self.target.query(sql)[0]["number"]  # noqa: E731
        try:
            await until(lambda: number() == count, "", self.deadline)
        except AssertionError:
            raise AssertionError(f"{number()} rows, not {count}: {sql}") from None

    def _record(self) -> None:
        for name, client in self.clients.items():
            frames = list(client.frames)
            if racing := self.unordered.get(name):
                frames[:racing] = sorted(frames[:racing], key=repr)
            self.trace.frames[name] = frames
            self.trace.ends[name] = "left" if name in self.left else client.closed
        self.trace.events = self.heard
        for rows in self.scenario.rows:
            self.trace.rows[rows.table] = rows_of(self.target, rows, self._filled(rows.where))


def rows_of(target: Target, rows: Rows, where: str) -> list[dict]:
    return target.query(f"SELECT * FROM {rows.table} WHERE {where} ORDER BY id")  # noqa: S608


def own_headers(headers) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in headers.raw_items() if name.lower() not in COMMON)


async def run_all(
    scenarios: Iterable[Scenario], target: Target, at_once: int = 12, deadline: float = DEADLINE
) -> dict[str, Trace]:
    """All scenarios, those of one lane in turn and the lanes side by side."""
    lanes: dict[str, list[Scenario]] = {}
    for scenario in scenarios:
        lanes.setdefault(scenario.lane, []).append(scenario)
    traces: dict[str, Trace] = {}
    slots = asyncio.Semaphore(at_once)

    async def lane(some: list[Scenario]) -> None:
        for scenario in some:
            async with slots:
                traces[scenario.name] = await Run(scenario, target, layer, deadline).run()

    async with contextlib.AsyncExitStack() as stack_of_layers:
        layer = await stack_of_layers.enter_async_context(target.system.publisher())
        await asyncio.gather(*map(lane, lanes.values()))
    return traces
