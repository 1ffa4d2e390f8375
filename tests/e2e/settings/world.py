"""The environment of the tables: nodes with one value and with the other, and ways to observe them."""

import asyncio
import contextlib
import itertools
import json
import re
import time

import redis.asyncio as redis
import stack
import websockets
from rig import answers
from rig.client import DEADLINE, Client, refusal, until
from rig.demo import access_claims, mint
from rig.door import connect
from rig.http import Http
from rig.raw import CLOSE, PING, TEXT, Raw
from rig.system import API_KEY

#: Every plain consumer of the tables answers this, after everything sent before it; and its clients get an event that
#: is published to a group of its own, after all that was published before.
FENCE = "[consumer.on_raw.fence]\nreply_raw = \"'fence'\"\n[consumer.on_event.fence]\nsend = \"'passed'\"\n"
PASSED = '"passed"'
FENCE_OF_SOCKETIO = "[consumer.on_message.fence]\nack = \"'fence'\"\n"


def token(user=7, key: str = stack.SECRET_KEY, **claims) -> str:
    """An access token."""
    return mint(key, **{**access_claims(user), "user_id": str(user), **claims})


class Redises:
    """One Redis for most rows, with a database for each; and separate ones for rows that need one alone."""

    def __init__(self, directory):
        self.directory = directory
        self.parts = []
        self.numbers = itertools.count()
        self.shared = self.alone("--databases", "600")
        self.databases = itertools.count(1)

    def alone(self, *arguments: str) -> stack.Part:
        part = stack.redis(self.directory, stack.free_port(), f"redis{next(self.numbers)}", arguments)
        self.parts.append(part.start().wait())
        return part

    def stop(self) -> None:
        for part in self.parts:
            part.kill()


class Site:
    """One node of a row, with its environment; `expected` is what is to be seen, if that is known.

    Starting a Redis takes a while: a site is made in a thread, so that no other row stands still meanwhile.
    """

    def __init__(self, redises: Redises, backend: answers.Backend, name: str, alone: bool, expected: object = None):
        self.redises, self.backend, self.name, self.expected = redises, backend, name, expected
        self.redis = redises.alone() if alone else redises.shared
        database = 0 if alone else next(redises.databases)
        self.redis_url = f"redis://{stack.LOOPBACK}:{self.redis.port}/{database}"
        self.node: stack.Part | None = None
        self.env: dict[str, str] = {}

    async def start(self, config: str, **env: str) -> None:
        directory = self.redises.directory / self.name
        directory.mkdir()
        (directory / "node.toml").write_text(config)
        port = stack.free_port()
        self.env = {
            "REDIS_URL": self.redis_url,
            "DJANGO_SECRET_KEY": stack.SECRET_KEY,
            "CHANNELGATE_API_KEY": API_KEY,
            "CHANNELGATE_BACKEND_URL": self.backend.url,
            "CHANNELGATE__CLUSTER__HEARTBEAT": "1s",
            # Requests and answers come from this process, which may stand still; rows about these times set them.
            "CHANNELGATE__SERVER__HANDSHAKE_TIMEOUT": "60s",
            "CHANNELGATE__BACKEND__TIMEOUT": "60s",
            "CHANNELGATE__LIMITS__ADMISSION_TIMEOUT": "60s",
            **{name: text.replace("{port}", str(port)) for name, text in env.items()},
        }
        self.env = {name: value for name, value in self.env.items() if value is not None}
        self.node = stack.node(directory, port, self.env, "node", directory / "node.toml")
        self.node.start()
        await asyncio.to_thread(self.node.wait)

    @property
    def port(self) -> int:
        return self.node.port

    def patience(self, quiet: float, most: float = DEADLINE, *, of: object = True) -> float:
        """How long to wait for what gives the result `of`; if another one is expected, only `quiet`.

        What the default value of the key does must come within `quiet` or not within `most`: else a key without any
        effect would be taken for one that has it.
        """
        return most if self.expected == of else quiet

    async def settled(self, read, quiet: float):
        """What is to be seen, as soon as it is as expected, and nothing else follows for a moment."""
        return await settled(read, self.expected, quiet)

    def stop(self) -> None:
        if self.node is not None and self.node.process is not None:
            self.node.kill()

    @contextlib.asynccontextmanager
    async def bus(self, url: str | None = None):
        connection = redis.Redis.from_url(url or self.redis_url)
        try:
            yield connection
        finally:
            await connection.aclose()

    async def get(self, path: str, **options):
        return await Http(self.port).get(path, **options)

    async def post(self, path: str, **options):
        return await Http(self.port).post(path, **options)

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the series with this name and these labels."""
        total = 0.0
        for line in (await self.get("/metrics")).body.decode().splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
                total += float(value)
        return total

    async def open(self, path: str = "/ws/", **options) -> Client:
        return await Client.open(self.port, path, **options)

    async def status(self, path: str = "/ws/", **options) -> int:
        """Of a handshake."""
        return await refusal(self.port, path, **options)


class Place:
    """One consumer of a row, on the node shared by all of them; `expected` is what is to be seen, if that is known."""

    def __init__(self, site: Site, name: str, expected: object = None):
        self.site, self.name, self.expected = site, name, expected
        self.path = f"/{name}/"
        self.namespace = f"/{name}"

    def patience(self, quiet: float) -> float:
        """How long to wait for what is to be seen; if that is nothing, only this long."""
        return DEADLINE if self.expected else quiet

    async def settled(self, read, quiet: float = 0.5):
        """What is to be seen, as soon as it is as expected, and nothing else follows for a moment."""
        return await settled(read, self.expected, quiet)

    async def open(self, more: str = "", **options) -> Client:
        return await self.site.open(self.path + more, **options)

    async def status(self, more: str = "", **options) -> int:
        return await self.site.status(self.path + more, **options)

    async def publish(self, event: dict, group: str | None = None) -> None:
        async with self.site.bus() as bus:
            await bus.publish(f"channelgate:{group or self.name}", json.dumps(event))

    async def passed(self, client: Client) -> None:
        """Waits until the client has what was published before, and is done with it, or is closed."""
        count = client.frames.count(PASSED)
        await self.publish({"type": "fence"}, f"fence_{self.name}")
        await client.wait(lambda client: client.frames.count(PASSED) > count or client.closed, "the event behind")

    async def talk(self, *messages, more: str = "", events: tuple[dict, ...] = (), before: tuple = (), **options):
        """The client's decoded messages for these messages and events; followed by the close code if it is closed."""
        try:
            client = await self.open(more, **options)
        except websockets.InvalidStatus as error:
            return error.response.status_code
        with contextlib.suppress(websockets.ConnectionClosed):
            for message in before:
                await client.send(message)
            if before:
                await fence(client)
            for event in events:
                await self.publish(event)
            if events:
                await self.passed(client)
            for message in messages:
                await client.send(message)
            await fence(client)
        if client.closed:
            await client.reader
        frames = [decoded(frame) for frame in client.frames if frame not in ("fence", PASSED)]
        ending = [client.closed[0]] if client.closed else []
        await client.close()
        return frames + ending


async def fence(client: Client) -> None:
    """Waits until everything sent before is handled, or the connection is closed."""
    count = client.frames.count("fence")
    await client.send("fence")
    await client.wait(lambda client: client.frames.count("fence") > count or client.closed, "the fence")


def decoded(frame):
    try:
        return json.loads(frame)
    except ValueError:
        return frame


class Chat:
    """A Socket.IO client in one namespace, over a bare socket."""

    def __init__(self, raw: Raw, namespace: str, answer: str):
        self.raw, self.namespace, self.answer = raw, namespace, answer
        self.events: list = []
        self.acks: list = []
        self.over: str | None = None
        self.numbers = itertools.count(100)
        self.reader = asyncio.create_task(self._read())
        #: Whether questions of the server are answered, and with what.
        self.acknowledges: list | None = None

    @classmethod
    async def open(cls, site: Site, namespace: str, token: str | None = None) -> "Chat":
        raw, answer = await connect(site.port, token, namespace)
        return cls(raw, namespace, answer)

    @property
    def refused(self) -> str | None:
        """Why it was refused."""
        return json.loads(self.answer[2:])["message"] if self.answer.startswith("44") else None

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                opcode, payload = await self.raw.read(60)
                if opcode == CLOSE:
                    break
                if opcode != TEXT:
                    continue
                text = payload.decode()
                if text == "2":
                    await self.raw.frame(TEXT, b"3")
                    continue
                found = re.match(r"4([1-6])(?:[\d-]*)(/[^,]*,)?(\d*)(.*)$", text, re.DOTALL)
                if not found:
                    continue
                kind, _, number, rest = found.groups()
                if kind == "1":
                    self.over = "disconnected"
                elif kind == "2":
                    self.events.append(json.loads(rest))
                    if number and self.acknowledges is not None:
                        await self._send(f"43{self.namespace},{number}{json.dumps(self.acknowledges)}")
                elif kind == "3":
                    self.acks.append((int(number), json.loads(rest)))
        self.over = self.over or "closed"

    async def _send(self, text: str) -> None:
        await self.raw.frame(TEXT, text.encode())

    async def emit(self, event: str, *args) -> None:
        await self._send(f"42{self.namespace},{json.dumps([event, *args])}")

    async def ask(self, event: str, *args, patience: float = DEADLINE) -> list | None:
        """The arguments of the acknowledgement, if one comes."""
        number = next(self.numbers)
        await self._send(f"42{self.namespace},{number}{json.dumps([event, *args])}")
        end = time.monotonic() + patience
        while time.monotonic() < end and not self.over:
            if found := [args for one, args in self.acks if one == number]:
                return found[0]
            await asyncio.sleep(0.01)
        return None

    async def fence(self) -> None:
        """Waits until everything sent before is handled, or the connection is closed."""
        assert await self.ask("fence") is not None or self.over, "no answer to the fence"

    async def told(self, name: str, within: float) -> bool:
        """Whether an event of this name comes in time."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            if any(event[0] == name for event in self.events):
                return True
            await asyncio.sleep(0.02)
        return False

    def close(self) -> None:
        self.reader.cancel()
        self.raw.abort()


async def says(place: Place, *emits: tuple, token: str | None = None) -> list:
    """What one Socket.IO client of a place receives for its emits."""
    chat = await Chat.open(place.site, place.namespace, token)
    if chat.refused:
        return [chat.refused]
    for emit in emits:
        await chat.emit(*emit)
    await chat.fence()
    events = [*chat.events, *([chat.over] if chat.over else [])]
    chat.close()
    return events


async def settled(read, expected: object, quiet: float):
    """The value when it is as expected, or after the deadline, and after a moment more; `read` may be a coroutine."""

    async def now():
        return await found if asyncio.iscoroutine(found := read()) else found

    async def is_expected() -> bool:
        return await now() == expected

    with contextlib.suppress(AssertionError):
        await until(is_expected, "what is expected")
    await asyncio.sleep(quiet)
    return await now()


async def becomes(condition, within: float = DEADLINE) -> bool:
    """Whether a condition comes true in this time: for effects that a busy machine delays."""
    try:
        return bool(await until(condition, "the condition", within, 0.05))
    except AssertionError:
        return False


async def is_closed(client: Client, within: float) -> bool:
    with contextlib.suppress(AssertionError):
        await client.gone(within)
    return client.closed is not None


async def is_ended(raw: Raw, within: float) -> bool:
    """Whether the other side closes, by a Close frame or without, while nothing is sent to it."""
    try:
        await raw.close_code(within)
    except TimeoutError:
        return False
    return True


async def is_pinged(raw: Raw, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            while True:
                opcode, _ = await raw.read(within)
                if opcode == PING:
                    return True
    except TimeoutError:
        return False
