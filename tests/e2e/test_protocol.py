"""The vectors of docs/PROTOCOL.md against a real node, with a client that was written from that page."""

import asyncio
import functools
import inspect
import json
import re
import signal

import pytest
import stack
from rig import reference
from rig.client import until
from rig.deadline import in_time
from rig.demo import mint, mint_access
from rig.http import Http
from rig.reference import REFUSALS, Reference, delay, verdict
from rig.system import API_KEY

VECTORS = json.loads((stack.ROOT / "docs" / "protocol-vectors.json").read_text())
PAGE = (stack.ROOT / "docs" / "PROTOCOL.md").read_text()
CONNECTIONS = {vector["name"]: vector for vector in VECTORS["connections"]}
#: The numbers that the client here has unless a test gives others.
DEFAULTS = inspect.signature(Reference).parameters
PRESETS = {"plain": ["feed", "parking", "attendance"]}
PATTERNS = {
    "<id>": r"[A-Za-z0-9_-]{20}",
    "<sid>": r"[^\"]{20,80}",
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
}


class World:
    """A node for the plain presets, and one for each system of Socket.IO."""

    def __init__(self, system):
        self.system, self.nodes = system, {}

    def node(self, vector: dict) -> stack.Part:
        """The node of a vector; one that is stopped serves no other."""
        name = vector["node"]
        own = any("stop" in step for step in vector["steps"])
        if own or name not in self.nodes:
            config = f"presets = {json.dumps(PRESETS.get(name, [name]))}\n"
            node = self.system.start_node(config=config, CHANNELGATE__CLUSTER__NAME=f"of-{name}")
            if own:
                return node
            self.nodes[name] = node
        return self.nodes[name]


@pytest.fixture(scope="module")
def world(module_system):
    return World(module_system)


def access(user: int) -> str:
    """A token without a role, so that the presence of others is not told."""
    return mint_access(user, id=user, name=f"User {user}")


class Play:
    """One vector, step by step."""

    def __init__(self, world: World, vector: dict):
        self.system, self.vector = world.system, vector
        self.node = world.node(vector)
        self.web = Http(self.node.port)
        self.known = {"<node>": f"of-{vector['node']}"}
        self.client = self.reference(vector.get("token"), vector["cg"])
        self.at = self.told = 0
        self.others: list[Reference] = []

    def reference(self, token: str | None, asks: bool) -> Reference:
        return Reference(
            f"ws://{stack.LOOPBACK}:{self.node.port}{self.vector['path']}",
            socketio=self.vector["transport"] == "socket.io",
            token=functools.partial(self.token, token) if token else None,
            token_in=self.vector.get("token_in", "query"),
            asks=asks,
        )

    async def token(self, name: str) -> str:
        """A token, as the page says where it comes from."""
        match name:
            case "<ws-token>":
                reply = await self.web.get("/api/user/ws-token/", token=access(7))
                made = reply.json()["ws_token"]
            case "<wrong>":
                made = mint("not the key of anything, and as long as one", user_id="7")
            case _:
                made = access(8 if name == "other" else 7)
        self.known.setdefault(name, made)
        return made

    def same(self, expected: str, text: str) -> bool:
        """Whether a frame is the expected one; the first value of a placeholder is that of the others."""
        pattern = re.escape(expected)
        names = [name for name in VECTORS["placeholders"] if name in expected]
        for number, name in enumerate(names):
            value = re.escape(self.known[name]) if name in self.known else PATTERNS[name]
            pattern = pattern.replace(re.escape(name), f"(?P<p{number}>{value})", 1)
        found = re.fullmatch(pattern, text)
        if found:
            for number, name in enumerate(names):
                if name != "<time>":
                    self.known[name] = found[f"p{number}"]
        return found is not None

    def filled(self, value):
        text = json.dumps(value)
        for name, known in self.known.items():
            text = text.replace(name, known)
        return json.loads(text)

    async def frame(self, way: str, expected: str) -> None:
        await until(lambda: len(self.client.wire) > self.at, f"{way} {expected}, after {self.client.wire}")
        told, text = self.client.wire[self.at]
        assert told == way and self.same(expected, text), (way, expected, self.client.wire[self.at :])
        self.at += 1

    async def ended(self, meaning: str) -> object:
        await until(lambda: self.client.ends, "the end")
        end, verdict = self.client.ends[0]
        assert verdict == meaning
        return end

    async def open(self) -> None:
        await until(lambda: self.client.status == "open", "the connection")

    async def step(self, step: dict) -> None:
        client, reason = self.client, "channelgate_gaps_total"
        match step:
            case {"receive": expected}:
                await self.frame("<", expected)
                if step.get("hello"):
                    await until(lambda: client.hello, "the hello")
                    assert client.hello == {"node": self.known["<node>"], "id": self.known["<id>"], "v": 1}
                if event := step.get("event"):
                    await until(lambda: len(client.events) > self.told, event)
                    name, data = client.events[self.told]
                    self.told += 1
                    assert name == event
                    assert self.same(json.dumps(step["data"], sort_keys=True), json.dumps(data, sort_keys=True))
                if "missed" in step:
                    missed = step["missed"]
                    assert (client.recovery, client.missed) == (("missed", [missed]) if missed else ("live", []))
                if "verdict" in step:
                    await self.ended(step["verdict"])
            case {"send": expected}:
                if call := step.get("call"):
                    await self.open()
                    await (client.want if step.get("want") else client.send)(*call)
                elif expected == "ping":
                    await self.open()
                    await client.ping()
                await self.frame(">", expected)
            case {"publish": publish}:
                await self.open()
                async with self.system.publisher() as layer:
                    await layer.group_send(publish["group"], publish["event"])
            case {"break": _}:
                await self.open()
                before = self.system.metric(self.node, reason, reason="reconnected")
                stack.redis_command(self.system.redis.port, "CLIENT KILL TYPE pubsub")
                gaps = functools.partial(self.system.metric, self.node, reason, reason="reconnected")
                await until(lambda before=before: gaps() > before, "the gap")
            case {"settle": _}:
                # Messages are handled in order: when this one is counted, those before it are done.
                refused = functools.partial(self.system.metric, self.node, "channelgate_refused_messages_total")
                before = refused(reason="unknown_message")
                await client.socket.send('42["not a message of any system"]')
                await until(lambda: refused(reason="unknown_message") > before, "the messages to be handled")
            case {"order": order}:
                reply = await self.web.post("/api/websocket/disconnect", data=self.filled(order), token=API_KEY)
                assert (reply.status, reply.json()["data"]) == (200, {"sockets": 1})
            case {"other": event, "args": args}:
                other = self.reference("other", False)
                self.others.append(other.start())
                await until(lambda: other.status == "open", "the other client")
                await other.send(event, *args)
            case {"stop": _}:
                await self.open()
                self.node.signal(signal.SIGTERM)
            case {"subprotocol": name}:
                await self.open()
                assert client.subprotocol == name
            case {"refused": status, "verdict": meaning}:
                assert await self.ended(meaning) == status
            case {"close": close, "verdict": meaning}:
                assert await self.ended(meaning) == tuple(close)
            case _:
                raise AssertionError(f"an unknown step: {step}")

    async def all(self) -> None:
        self.client.start()
        try:
            for step in self.vector["steps"]:
                await self.step(step)
            own = self.client.wire[self.at :] if not self.client.ends else []
            assert own == [], "frames that the vector does not have"
            assert self.client.hello is None or self.vector["cg"]
        finally:
            for client in (self.client, *self.others):
                await client.stop()


@pytest.mark.parametrize("name", CONNECTIONS)
async def test_a_client_written_from_the_page_and_a_node_play_the_vector(world, name):
    await in_time(90, Play(world, CONNECTIONS[name]).all())


def test_the_client_knows_every_code_and_delay_of_the_vectors():
    assert {code: meaning for meaning, codes in VECTORS["verdicts"].items() for code in codes} == {
        code: verdict(code) for codes in VECTORS["verdicts"].values() for code in codes
    }
    assert [verdict(4999, number) for number in range(4)] == ["retry"] * 3 + ["failed"]
    for text, meaning in VECTORS["refusals"].items():
        assert REFUSALS.get(text, "expired") == meaning
    for case in VECTORS["delays"]:
        of = [delay(case["verdict"], case["n"], chance) * 1000 for chance in (0, 1)]
        assert of == [case["least_ms"], case["most_ms"]], case


def test_the_page_has_the_codes_and_frames_of_the_vectors():
    rows = dict(re.findall(r"^\| ([\d, ]+) \| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    told = {int(code): meaning for codes, meaning in rows.items() for code in codes.split(",")}
    assert told == {code: meaning for meaning, codes in VECTORS["verdicts"].items() for code in codes}
    for preset in ("feed", "attendance", "parking", "dashboard", "tracker", "repair-shop"):
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| {preset} |"))
        schemas = stack.ROOT / "clients" / "schemas" / preset
        events = {path.stem for path in schemas.rglob("*.json") if path.parent != schemas and "." not in path.stem}
        assert len(events) > 2, events
        missing = {event for event in events - {"hello", "gap"} if event not in row}
        assert missing == set(), f"{preset}: the page does not name them"


#: Numbers of the page, each with the constant of the JavaScript client and that of the client here.
NUMBERS = {
    'Show "connected" only when it has lived for 30 ms': ("SHOWN = 30;", None),
    "Ask for a token before each attempt, and allow it 10 s": ("TOKEN = 10_000;", reference.TOKEN_TIMEOUT == 10),
    "Give up after 20 s, not sooner": (None, reference.CONNECT_TIMEOUT == 20),
    "after 25 s without any frame: send `ping`": (None, DEFAULTS["idle"].default == 25),
    "no frame within 10 s: drop the connection": (None, DEFAULTS["patience"].default == 10),
    "If the timer was late (more than 50 s since it was set": (None, 2 * DEFAULTS["idle"].default == 50),
    "comes to the foreground after 30 s or more": ("SLEEP = 30_000;", None),
    "send `ping` with a deadline of 5 s": ("WAKE = 5_000;", None),
    "wait a random time up to 2 s first": ("SOON = 2_000;", None),
    "it is 0 again after a connection has been open for 5 s": (None, reference.STABLE_AFTER == 5),
    "at least 250 ms after the attempt before": ("APART = 250;", delay("retry", 0, 0) == 0.25),
    "as `retry`, and at least 5 s": ("LATER = 5_000;", delay("retry-later", 0, 0) == 5),
    "The same verdict again within 10 s: `unauthorized`": ("DOUBT = 10_000;", None),
    "In the background once a minute is enough": ("MINUTE = 60_000;", None),
    "(random up to 500 ms)": ("WAKING = 500;", None),
    "After three such attempts in a row": ("REFUSED = 3;", None),
    "`retry` three times, then `failed`": ("UNKNOWN = 3;", reference.UNKNOWN_RETRIES == 3),
    "at most 100 messages, 256 KiB and 30 s of them": (
        None,
        (reference.QUEUED, reference.QUEUED_BYTES, reference.QUEUED_SECONDS) == (100, 256 * 1024, 30),
    ),
}


@pytest.mark.parametrize("phrase", NUMBERS)
def test_the_page_has_the_numbers_of_both_clients(phrase):
    in_javascript, is_here = NUMBERS[phrase]
    assert phrase in PAGE
    numbers = (stack.ROOT / "clients" / "core" / "src" / "numbers.ts").read_text()
    assert in_javascript is None or f"export const {in_javascript}" in numbers
    assert is_here is not False


def test_the_page_has_the_reasons_of_gaps():
    said = re.search(r"^Reasons are (.*); treat an unknown one alike", PAGE, re.MULTILINE)[1]
    schema = json.loads((stack.ROOT / "clients" / "schemas" / "shared.json").read_text())
    assert re.findall(r"`(\w+)`", said) == schema["$defs"]["GapReason"]["enum"]


@pytest.mark.parametrize(
    ("frame", "event", "data"),
    [
        ('{"event":"a","data":1,"type":"b"}', "a", 1),
        ('{"type":"b","x":2}', "b", {"type": "b", "x": 2}),
        ('{"event":7,"type":"b"}', "b", {"event": 7, "type": "b"}),
        ('{"x":1}', "", {"x": 1}),
        ("[1]", "", [1]),
        ("not JSON", "", "not JSON"),
    ],
)
def test_a_client_of_the_page_reads_both_forms_and_others_have_no_name(frame, event, data):
    assert Reference._named(frame) == (event, data)


async def test_a_client_of_the_page_waits_when_the_request_for_a_token_fails():
    async def token() -> str:
        raise OSError("no network")

    client = Reference("ws://127.0.0.1:9/ws/", token=token).start()
    await until(lambda: client.ends, "the attempt")
    assert client.ends[0][1] == "retry" and client.status == "reconnecting"
    await client.stop()


async def test_a_client_of_the_page_asks_for_a_fresh_token_once_and_then_stops(world):
    node = world.node({"node": "plain", "steps": []})
    asked = []

    async def token() -> str:
        asked.append(len(asked))
        return mint("not the key of anything, and as long as one", user_id=str(len(asked)))

    client = Reference(f"ws://{stack.LOOPBACK}:{node.port}/ws/notifications/", token=token).start()
    await until(lambda: client.status == "unauthorized", "the end")
    assert (asked, client.ends) == ([0, 1], [((4401, "no valid token"), "expired")] * 2)
    await client.stop()


async def test_a_client_of_the_page_comes_back_to_another_node_and_loads_what_it_missed(system):
    config = 'presets = ["feed"]\n'
    for name in ("one", "two"):
        system.start_node(wait=False, config=config, CHANNELGATE__CLUSTER__NAME=name)
    system.wait()
    system.start_nginx()
    loads: list[list] = []

    async def load() -> None:
        loads.append(list(client.missed))

    client = Reference(f"ws://{stack.LOOPBACK}:{system.port}/ws/", load=load).start()
    await until(lambda: client.hello, "the hello")
    first = client.hello
    assert await client.send("hello") == "sent" and loads == []
    node = system.nodes[("one", "two").index(first["node"])]
    node.signal(signal.SIGTERM)
    await until(lambda: len(client.hellos) == 2 and client.recovery == "live", "the other node, and the data")
    assert client.ends == [((1012, "service restart"), "retry-soon")]
    assert {one["node"] for one in client.hellos} == {"one", "two"} and client.hello["id"] != first["id"]
    assert (client.missed, loads, client.n) == (["reconnected"], [["reconnected"]], 0)
    async with system.publisher() as layer:
        await layer.group_send("broadcast", {"type": "send_event", "event": "client_create", "data": {"id": 1}})
        await until(lambda: client.events == [("client_create", {"id": 1})], "the event")
    await client.stop()


async def test_a_client_of_the_page_notices_a_dead_line_by_its_heartbeat(system):
    node = system.start_node(config='presets = ["feed"]\n')
    client = Reference(f"ws://{stack.LOOPBACK}:{node.port}/ws/", idle=0.3, patience=8).start()
    await until(lambda: ("<", "pong") in client.wire, "an answered heartbeat")
    assert client.ends == []
    node.signal(signal.SIGSTOP)
    await until(lambda: client.ends, "the end of the line")
    node.signal(signal.SIGCONT)
    assert client.ends[0][1] == "retry"
    await until(lambda: len(client.hellos) == 2, "the next connection")
    assert client.missed == ["reconnected"]
    await client.stop()


async def test_a_client_of_the_page_keeps_messages_within_bounds(system):
    node = system.start_node(config='presets = ["parking"]\n')
    held = asyncio.Event()

    async def token() -> str:
        await held.wait()
        return (await Http(node.port).get("/api/user/ws-token/", token=access(7))).json()["ws_token"]

    client = Reference(f"ws://{stack.LOOPBACK}:{node.port}/ws/notifications/", token=token).start()
    assert await client.send("typing", {}, volatile=True) == "dropped"
    for number in range(105):
        assert await client.send("subscribe", {"notification_types": [str(number)]}) == "queued"
    assert (len(client.queue), client.missed) == (100, ["outbox"] * 5)
    held.set()
    await until(lambda: client.status == "open" and not client.queue, "the messages")
    sent = [json.loads(text)["notification_types"][0] for way, text in client.wire if way == ">"]
    assert sent == [str(number) for number in range(5, 105)]
    await client.stop()
