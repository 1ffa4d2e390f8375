"""The cases of the translator's own tests as sections of a project, and what is played on them."""

import asyncio
import contextlib
import json

import stack
import websockets
from rig.client import until
from rig.idioms.document import Section
from rig.idioms.stage import Actor, Stage, decoded, scenario

CASES = stack.ROOT / "clients" / "django" / "tests" / "translate" / "cases"
#: The first number; the idioms come before.
FIRST = 41
NAMES = ["login", "paths", "groups", "events", "messages"]
WHO = (None, "anna", "carl", "dora")


def sections() -> list[Section]:
    """A section for each case, below a path of its own."""
    found = []
    for number, name in enumerate(NAMES, FIRST):
        text = (CASES / f"{name}.py").read_text()
        text += f"\nwebsocket_urlpatterns = [path('ws/further-{name}/', URLRouter(ROUTES))]\n"
        toml = f'[[consumer]]\npath = "/ws/further-{name}/"\n'
        found.append(Section(number, name, text, (("python", text), ("toml", toml))))
    return found


async def attempt(stage: Stage, path: str, who: str | None) -> Actor | None:
    """A client, or None if it is refused; that counts, but not how: for an exception Daphne has 500."""
    try:
        return await stage.open(path, who, f"{who} at {path}")
    except websockets.InvalidMessage:
        # Daphne gives up on a consumer that neither accepts nor closes.
        stage.note(f"{who} at {path}", "refused")
        return None
    except websockets.InvalidStatus as error:
        status = error.response.status_code
        stage.note(f"{who} at {path}", "refused" if status in (403, 404, 500) else status)
        return None


async def ended(client: Actor) -> None:
    """Text that is not JSON ends a JSON consumer; what it has done by itself before comes first."""
    with contextlib.suppress(websockets.ConnectionClosed):
        await client.send("no JSON")
    await client.gone()


@scenario(FIRST, breaks=("", ""))
async def login(stage: Stage) -> None:
    routes = ["authenticated", "anonymous", "of-class", "equal", "after-accept", "synchronous", "staff"]
    routes += ["staff-after-accept", f"own/{stage.anna.id}", f"own/{stage.dora.id}", "with-frame", "mixin", "chained"]

    async def one(route: str, who: str | None) -> None:
        if client := await attempt(stage, f"{route}/", who):
            await ended(client)

    await asyncio.gather(*(one(route, who) for route in routes for who in WHO))
    stage.notes.sort()
    clients = [await stage.open("optional/", who) for who in WHO]
    # `admins` is for superusers, and nobody gets what they have written themselves.
    await stage.publish("admins", type="news_item", author=0, text="admins only")
    for author in (stage.anna.id, None, stage.dora.id, 0):
        await stage.publish("news", type="news.item", author=author, text=f"by {author}")
    for client in clients:
        await client.got(text="by 0")


@scenario(FIRST + 1, breaks=("", ""))
async def paths(stage: Stage) -> None:
    numbers = ["7", "007", "a", "-7"]
    words = ["ab", "a-b", "a_b", "a.b"]
    uuids = ["01234567-89ab-cdef-0123-456789abcdef", "01234567-89AB-cdef-0123-456789abcdef", "x" * 36]
    tried = [f"{kind}/{one}/" for kind in ("int", "digits", "zero", "nested") for one in numbers]
    tried += [f"nested/{one}/live/" for one in numbers]
    tried += [f"{kind}/{one}/" for kind in ("str", "plain", "slug", "word", "any", "dash") for one in words]
    tried += [f"{kind}/{one}/" for kind in ("uuid", "hex") for one in uuids]
    tried += ["path/ab/end/", "year/2026/", "year/26/", "four/1234/", "four/123/", "either/red/"]
    tried += ["either/green/", "kind/", "kind/x/", "open/", "unused/7/", "unused/x/", "unnamed/x/", "nothing/"]

    async def one(path: str) -> None:
        client = await attempt(stage, path.replace(" ", "%20"), None)
        if client is None:
            return
        value = path.split("/")[1]
        if path.startswith(("unused", "open", "unnamed")):
            await ended(client)
            return
        # As text in Channels; Django's int has no leading zeros.
        is_int = path.startswith(("int", "nested")) and not path.endswith("live/")
        group = "kind_lobby" if path == "kind/" else f"room_{int(value) if is_int else value}"
        for other in (f"room_{value.lstrip('0')}", f"room_0{value}", f"room_{value}x"):
            if other != group and other.isascii() and " " not in other:
                await stage.publish(other, type="said", text=f"{path}: not for it, in {other}")
        await stage.publish(group, type="said", text=f"{path}: end")
        await client.got(text=f"{path}: end")
        await client.close()

    for path in tried:
        await one(path)


@scenario(FIRST + 2, breaks=("", ""))
async def groups(stage: Stage) -> None:
    anna, carl = stage.anna, stage.carl
    await attempt(stage, "names/x/3/", None)
    names = ["page_x", "percent_3", f"format_{anna.id}", "board_3", f"user_{anna.id}", "fixed", "staff", "page_y"]
    names += [f"dm_{min(anna.id, 3)}_{max(anna.id, 3)}", f"name_{anna.name}", f"user_{carl.id}", f"name_{carl.name}"]
    clients = [await stage.open("names/x/3/", who) for who in ("anna", "carl")]
    for name in names:
        await stage.publish(name, type="told", name=name)
    await stage.publish("fixed", type="told", name="end")
    for client in clients:
        await client.got(name="end")
    one = await stage.open("of-class/")
    for name in ("broadcast", "sports"):
        await stage.publish(name, type="told", name=name)
        await one.got(name=name)


EVENTS = [
    {"type": "literal"},
    {"type": "keys", "a": None, "x": {"y": [1, 2.5, True]}},
    {"type": "keys", "a": 1, "b": "é", "c": {"d": []}, "x": {"y": ""}},
    {"type": "whole", "z": 1, "a": {"b": None}},
    {"type": "without.type", "z": 1, "a": 2},
    {"type": "without_comprehension", "z": 1, "a": 2},
    {"type": "spread", "data": {"kind": "mine", "x": 1}},
    {"type": "spread", "data": {}},
    {"type": "spread.first", "data": {"at": "never", "x": 1}},
    {"type": "times"},
    {"type": "text", "text": "as it is"},
    {"type": "joined_text", "name": "Zoë", "a": 1, "b": 2},
    {"type": "joined_text", "name": 7, "a": "x", "b": "y"},
    {"type": "choice", "level": 4},
    {"type": "choice", "level": 3},
    {"type": "guarded", "text": "loud"},
    {"type": "guarded", "text": "x", "silent": 1},
    {"type": "guarded", "text": "empty", "silent": ""},
    {"type": "not_the_sender", "sender": "nobody", "text": "x"},
    {"type": "either", "kind": "a", "text": "x"},
    {"type": "either", "kind": "b", "text": "x"},
    {"type": "either", "kind": "c", "text": "x"},
    {"type": "caught", "text": "x"},
    {"type": "room_name"},
]


async def joined(stage: Stage, client: Actor, group: str) -> None:
    """The client is in the group; how often it has to be asked is chance."""
    arrived = f"in {group}"

    async def is_there() -> bool:
        await stage.publish(group, type="text", text=arrived)
        return arrived in client.frames

    await until(is_there, f"{client} {arrived}", pause=0.1)
    await client.settle()


@scenario(FIRST + 3, breaks=("", ""))
async def events(stage: Stage) -> None:
    await attempt(stage, "events/lobby/", None)
    clients = [await stage.open("events/lobby/", who) for who in ("anna", "ben", "carl")]
    for event in EVENTS:
        await stage.publish("room_lobby", **event)
    for to in (stage.anna.id, str(stage.ben.id), f"0{stage.carl.id}", None):
        await stage.publish("room_lobby", type="only_the_recipient", to=to, text=f"for {to}")
        await stage.publish("room_lobby", type="some", to=to, text=f"for {to} and the staff")
    await stage.publish("room_lobby", type="text", text="end of the first part")
    for client in clients:
        await client.wait(lambda one: "end of the first part" in one.frames, "the end")
    await stage.publish("room_lobby", type="moved", room="other")
    for client in clients:
        await joined(stage, client, "room_other")
    await stage.publish("room_lobby", type="text", text="nobody is here")
    await stage.publish("room_other", type="kicked", reason="x", code=4007)
    for client in clients:
        await client.gone()
        client.frames = [frame for frame in client.frames if frame != "in room_other"]
    sync = await stage.open("sync/")
    await stage.publish("sync", type="told", text="x")
    await sync.got(text="x")
    python = await stage.open("python/lobby/", "anna")
    for event in ({"type": "user_name"}, {"type": "counted"}, {"type": "counted"}, {"type": "formatted", "price": 1.5}):
        await stage.publish("room_lobby", **event)
    await python.got(price="1.50")


#: A message that is answered in any case, by class, and what the answer has; the others come before it.
MESSAGES = {
    "if": ({"type": "ping", "at": 1}, {"type": "pong"}),
    "match": ({"action": "ping"}, {"action": "pong"}),
    "table": ({"command": "ping"}, {"command": "pong"}),
    "state": ({"type": "ping"}, {"type": "pong"}),
    "twokeys": ({"type": "ping"}, {"type": "pong"}),
    "dynamic": ({"type": "ping"}, {"type": "pong"}),
    "text": ({"type": "echo", "text": "end"}, {"echo": "end"}),
    "caught": ({"type": "echo", "text": "end"}, {"echo": "end"}),
    "told": ({"text": "end"}, {"echo": "end"}),
    "toldtext": ({"text": "end"}, {"echo": "end"}),
}
#: Those that have no room.
ALONE = ("text", "caught", "told", "toldtext")
SENT: list = [
    {"type": "say", "text": " hello "},
    {"type": "say", "text": "  "},
    {"type": "say"},
    {"type": "say", "text": 7},
    {"type": "leave"},
    {"type": "bye", "text": "x"},
    {"type": "unknown"},
    {"type": 7},
    {"type": None},
    {},
    [],
    7,
    None,
    "text in JSON",
    {"action": "subscribe", "topic": "a"},
    {"action": "subscribe", "topic": 7},
    {"action": "subscribe"},
    {"action": "unsubscribe", "topic": "a"},
    {"action": "say"},
    {"command": "say", "text": "x"},
    {"command": "say"},
    {"command": "other"},
    {"type": "name", "name": "x"},
    {"type": "echo", "text": [1, {"a": None}]},
    {"type": "echo"},
    {"text": {"a": 1}},
]
RAW = ["ping", "pong", "", "no JSON", "{", "NaN", b"bytes", b'{"type": "ping"}', b""]


def has(client: Actor, values: dict) -> bool:
    """Whether it has got a frame with these values."""
    frames = [frame for frame in map(decoded, client.frames) if isinstance(frame, dict)]
    return any(values.items() <= frame.items() for frame in frames)


@scenario(FIRST + 4, breaks=("", ""))
async def messages(stage: Stage) -> None:
    turns = asyncio.Semaphore(6)

    async def one(number: int, name: str, sent) -> None:
        ask, answer = MESSAGES[name]
        # A room of its own.
        room = 100 * list(MESSAGES).index(name) + number
        async with turns:
            client = await stage.open(f"{name}/" if name in ALONE else f"{name}/{room}/", "anna", f"{name} {number}")
            # Whether its own event comes before the answer to the next message is chance.
            stage.in_any_order(client)
            await client.send(sent if isinstance(sent, bytes) or number >= len(SENT) else json.dumps(sent))
            with contextlib.suppress(websockets.ConnectionClosed):
                await client.send(ask)
            await client.wait(lambda one: one.closed or has(one, answer), f"{answer} from {name} after {sent!r}")
            if name not in ALONE and not client.closed:
                await stage.publish(f"talk_{room}", type="said", text="the end")
                await client.wait(lambda one: one.closed or has(one, {"text": "the end"}), f"the end of {name}")
            await client.close()

    for name in MESSAGES:
        await asyncio.gather(*(one(number, name, sent) for number, sent in enumerate([*SENT, *RAW])))
    echo = await stage.open("echo/")
    for text in ("x", "é", '{"a": 1}'):
        await echo.send(text)
    await echo.count_of(3)
    await echo.send(b"bytes")
    await echo.gone()
    observer, leaving = await stage.open("leaving/3/", "ben"), await stage.open("leaving/3/", "carl")
    await leaving.close()
    await observer.got(text=f"{stage.carl.name} left")
