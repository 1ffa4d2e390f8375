"""Consumers: which clients they admit, and what they send. Two consumers of one node differ only in the key."""

import asyncio
import contextlib
import json
import time

import websockets
from rig import answers
from rig.client import DEADLINE, Client, until
from rig.http import Http
from rig.raw import Raw

from . import OfConsumer
from .world import FENCE, FENCE_OF_SOCKETIO, Chat, Place, fence, is_closed, says, token

#: The answers of the backend.
ANSWERS = {
    "ask": lambda call: asked(call),
    "who": lambda call: {"id": call["data"]},
    "who_am_i": {"id": 7},
    "slow": answers.after(1.5, {"ok": True}),
    "held": answers.after(40, {"ok": True}),
    "good": {"ok": True},
    "other": {"ok": "other"},
    "moved": (207, {"ok": True}),
    "bad": (500, None),
    "busy": (503, None),
    "gone": (404, None),
    "flaky": lambda call: flaky(call),
}
_seen: set[str] = set()


def asked(call: dict):
    """The question itself, a second later if it is "slow", and as good as never if it is to be held."""
    text = str(call["data"])
    time.sleep(1 if text == "slow" else 40 if text.startswith("held") else 0)
    return {"said": call["data"]}


def flaky(call: dict):
    """The first answer to each call is lost."""
    if call["data"] not in _seen:
        _seen.add(call["data"])
        raise ConnectionAbortedError
    return {"ok": True}


#: Consumers for the observations of rows.
BESIDE = """
[[consumer]]
name = "watch"
path = "/watch/<str:name>/"
groups = ["watch_{{ route.name }}"]
[consumer.on_event.told]
send = "event.what"
"""
#: Rows that disturb others; they run last, one after the other.
LAST = ("consumer.on_gap.when", "consumer.on_gap.send", "consumer.on_gap.emit")


def written(row: OfConsumer, name: str, value: str) -> str:
    """The consumer of a row with one of its values; `NAME` in it is its own name."""
    body = row.body.replace("{key}", value).replace("NAME", name)
    route, namespace = row.route.replace("{key}", value), row.namespace.replace("{key}", value) or f"/{name}"
    top, table, rest = body.partition("\n[")
    socketio = row.protocol == "socket.io"
    if row.protocol == "websocket":
        own = f'groups = ["fence_{name}", '
        top = top.replace("groups = [", own, 1) if "groups = [" in top else f"{own}]\n{top}"
    fence = FENCE_OF_SOCKETIO if socketio else FENCE if row.protocol == "websocket" else ""
    head = "[[consumer]]\n"
    head += f'path = "/socket.io/"\nnamespace = "{namespace}"\n' if socketio else f'path = "/{name}/{route}"\n'
    head += "" if "name =" in top else f'name = "{name}"\n'
    head += "" if "protocol =" in body else f'protocol = "{row.protocol}"\n'
    return f"{head}{top}\n{table.strip()}{rest}\n{fence}" if table else f"{head}{top}\n{fence}"


def status(more: str = "", **options):
    async def look(place: Place):
        return await place.status(more, **options)

    return look


def talks(*messages, **options):
    async def look(place: Place):
        return await place.talk(*messages, **options)

    return look


def says_to(*emits, who=None):
    async def look(place: Place):
        return await says(place, *emits, token=token(who) if who else None)

    return look


async def label(place: Place):
    client = await place.open()
    # The client of the other value may have closed its connection a moment ago.
    found = await place.settled(lambda: place.site.metric("channelgate_connections", consumer="the-name-of-a-row"))
    await client.close()
    return found


async def polls(place: Place):
    reply = await place.site.get(f"{place.path}?EIO=4&transport=polling")
    return reply.status == 200


async def opens_namespace(place: Place):
    """Which of two namespaces a consumer with its own path serves; both are on one path."""
    opened = []
    for namespace in ("/a-row", "/another-row"):
        chat = await Chat.open(place.site, namespace)
        # Shows which consumer admitted it.
        name = (await chat.ask("name") or [None])[0]
        opened.append(name == place.name)
        chat.close()
    return tuple(opened)


async def subprotocol(place: Place):
    client = await place.open(subprotocols=["a", "b"])
    chosen = client.connection.subprotocol
    await client.close()
    return chosen


async def refusal(place: Place, more: str = ""):
    """The status, or the frames, code and reason after it."""
    try:
        client = await place.open(more)
    except websockets.InvalidStatus as error:
        return error.response.status_code
    code, reason = await client.gone()
    return [*client.json(), code, reason]


def refusal_of(more: str):
    async def look(place: Place):
        return await refusal(place, more)

    return look


async def why(place: Place):
    chat = await Chat.open(place.site, place.namespace)
    chat.close()
    return chat.refused


async def why_invalid(place: Place):
    chat = await Chat.open(place.site, place.namespace, "no.token.atall")
    chat.close()
    return chat.refused


async def ends_alone(place: Place):
    """The code with which a client without a user is closed, if it is."""
    client = await place.open()
    if await is_closed(client, place.patience(1.5)):
        return client.closed[0]
    await client.close()
    return None


async def ends_with_its_token(place: Place):
    for lifetime in (2, 6, 18):
        with contextlib.suppress(websockets.InvalidStatus):
            client = await place.open(f"?token={token(exp=int(time.time()) + lifetime)}")
            break
        # It may have ended before the node looked at it.
    ended = await is_closed(client, place.patience(lifetime + 2))
    found = client.closed[0] if ended else None
    await client.close()
    return found


async def behind(place: Place):
    """The remaining messages of a client that did not read for a while."""
    raw, reads = await Raw.stalled(place.site.port, place.path), await place.open()
    total = 400
    async with place.site.bus() as bus:
        for number in range(total):
            event = {"type": "tick", "key": number % 3, "number": number, "text": "x" * 10_000}
            await bus.publish(f"channelgate:{place.name}", json.dumps(event))
            if number % 20 == 0:
                await asyncio.sleep(0.02)
    # By then most of them have waited for the other one.
    last = f'"number":{total - 1},'
    await reads.wait(lambda reads: reads.closed or (reads.frames and last in reads.frames[-1]), "the last event")
    await reads.close()
    numbers = []
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        while not numbers or numbers[-1] != total - 1:
            opcode, payload = await raw.read(DEADLINE)
            if opcode == 8:
                raw.abort()
                return "closed"
            if opcode == 1:
                numbers.append(json.loads(payload)["number"])
    raw.abort()
    if not numbers or numbers[-1] != total - 1:
        return "closed"
    return "all" if len(numbers) == total else "the newest"


async def heals(place: Place) -> None:
    """Waits until the subscription that another look has cut is there again."""

    async def is_ready() -> bool:
        return (await Http(place.site.port).get("/health/ready")).status == 200

    await until(is_ready, "the node to be ready")


async def gap(place: Place, more: str = ""):
    """Whether the client gets a gap notice after the node's subscription was cut."""
    await heals(place)
    client = await place.open(more)
    async with place.site.bus() as bus:
        await bus.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    with contextlib.suppress(AssertionError):
        await client.wait(lambda client: client.frames, "a gap", place.patience(3))
    found = client.frames[0][:3] if client.frames else None
    await client.close()
    return found


async def gap_event(place: Place):
    await heals(place)
    chat = await Chat.open(place.site, place.namespace)
    async with place.site.bus() as bus:
        await bus.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await chat.told(place.expected[0], DEADLINE)
    names = [event[0] for event in chat.events]
    chat.close()
    return names[:1]


async def first_event(place: Place):
    """The name of the first event that a socket gets by itself."""
    chat = await Chat.open(place.site, place.namespace)
    await chat.told(place.expected[0], DEADLINE)
    names = [event[0] for event in chat.events]
    chat.close()
    return names[:1]


async def comes_and_goes(place: Place):
    """The messages that others get while a client comes and goes, and within three seconds after that."""
    watcher = await Client.open(place.site.port, f"/watch{place.path}")
    client = await place.open(f"?token={token()}")
    await fence(client)
    await client.close()
    found = await place.settled(watcher.json, 0.5 if place.expected else 3)
    await watcher.close()
    return found


def beats(count: int, *answers):
    """What a client gets of so many heartbeats, and the end of its connection; it answers each with these.

    If it is to be closed, it gets as many as it takes: a node that stood still excuses those of that time.
    """

    async def look(place: Place):
        client = await place.open()
        number = 0
        while not client.closed and (number < count or place.expected[1]):
            await client.wait(lambda client, number=number: len(client.frames) > number or client.closed, "a heartbeat")
            with contextlib.suppress(websockets.ConnectionClosed):
                for answer in answers:
                    await client.send(answer)
            number += 1
        found = (sorted(set(client.frames)), client.closed)
        await client.close()
        return found

    return look


def events_to(*sent):
    """The frames of a client, and how it was closed, after events for groups, each when it is done with the last."""

    async def look(place: Place):
        client = await place.open()
        for group, event in sent:
            await place.publish(event, group.replace("NAME", place.name))
            await place.passed(client)
        found = [frame for frame in client.json() if frame != "passed"]
        found += [list(client.closed)] if client.closed else []
        await client.close()
        return found

    return look


async def beats_again(place: Place):
    """Whether a second message follows the first, which comes at once or later, so that connections take turns."""
    client = await place.open()
    with contextlib.suppress(AssertionError):
        await client.count_of(2, place.patience(4))
    found = len(client.frames) >= 2
    await client.close()
    return found


async def two_users(place: Place):
    """What the second of two users is told."""
    clients = [await place.open(f"?token={token(user)}") for user in (7, 8)]
    for client in clients:
        await client.count(1)
    await clients[1].send({"type": "m"})
    found = (await clients[1].count(2))[1]
    for client in clients:
        await client.close()
    return found


async def ends(place: Place):
    """How a Socket.IO client is disconnected by an event."""
    chat = await Chat.open(place.site, place.namespace)
    await place.publish(X)
    with contextlib.suppress(AssertionError):
        await until(lambda: chat.over, "the end", place.patience(2))
    over = chat.over
    chat.close()
    return over


async def samples(place: Place):
    """The live page's data about the consumer."""
    known = (await place.site.get("/page/consumers")).json()
    known = known if isinstance(known, list) else known["consumers"]
    (own,) = [one for one in known if one["name"] == place.name]
    return list(own["samples"].values())


def sample(name: str):
    async def look(place: Place):
        return [one[name] for one in await samples(place)]

    return look


HANDLED = 'groups = ["NAME"]\n[consumer.on_event.x]\n{key}\n'
ANY = '[consumer.on_event."*"]\nsend = "event"'
SENDS = HANDLED + 'send = "event.a"\n'
TELLS = 'auth = ["jwt"]\n{key}\n'
TOLD = "{ publish = { group = \"watch_NAME\", event = \"{'type': 'told', 'what': '%s'}\" } }"
PRESENCE = 'presence = { member = "user.id", grace = "100ms" }\n'
TICKS = 'groups = ["NAME"]\n{key}\n[consumer.on_event.tick]\nsend = "event"\n'
X = {"type": "x", "a": 1, "b": "two"}
TOPICS = """groups = ["NAME"]
topics = { {key} }
[consumer.on_event.x]
topic = "event.t"
send = "event.t"
[consumer.on_message.subscribe]
subscribe = "message.names"
"""

TABLE: dict[str, OfConsumer] = {
    "consumer.path": OfConsumer("int", "str", status("abc/"), (404, 101), "", route="<{key}:id>/"),
    "consumer.name": OfConsumer('name = "the-name-of-a-row"', 'name = "another-name"', label, (1, 0)),
    "consumer.protocol": OfConsumer('protocol = "websocket"', 'protocol = "engine.io"', polls, (False, True)),
    "consumer.namespace": OfConsumer(
        "/a-row",
        "/another-row",
        opens_namespace,
        ((True, False), (False, True)),
        "[consumer.on_message.name]\nack = \"'NAME'\"\n",
        "socket.io",
        namespace="{key}",
    ),
    "consumer.subprotocols": OfConsumer("", 'subprotocols = ["b", "a"]', subprotocol, (None, "b")),
    "consumer.auth": OfConsumer('auth = ["anonymous"]', 'auth = ["jwt"]', status(), (101, 403)),
    "consumer.groups": OfConsumer(
        'groups = ["other"]', 'groups = ["NAME"]', talks(events=(X,)), ([], [X]), "{key}\n" + ANY
    ),
    "consumer.allow": OfConsumer(
        'allow = "order_<int>"',
        'allow = "ticket_<int>"',
        status("?room=order_1"),
        (101, 403),
        'groups = ["{{ query.room }}"]\n{key}',
    ),
    "consumer.reject.close": OfConsumer("", "reject.close = 4001", refusal, (403, [4001, ""]), 'auth = ["jwt"]\n{key}'),
    "consumer.reject.close.missing": OfConsumer(
        "reject.close = {}",
        "reject.close = { missing = 4011 }",
        refusal,
        ([4001, ""], [4011, ""]),
        'auth = ["jwt"]\n{key}',
    ),
    "consumer.reject.close.invalid": OfConsumer(
        "reject.close = {}",
        "reject.close = { invalid = 4011 }",
        refusal_of("?token=a.b.c"),
        ([4003, ""], [4011, ""]),
        'auth = ["jwt"]\n{key}',
    ),
    "consumer.reject.close.forbidden": OfConsumer(
        "reject.close = {}",
        "reject.close = { forbidden = 4011 }",
        refusal,
        ([4403, "no"], [4011, "no"]),
        '{key}\n[consumer.on_admit]\nrefuse = "no"',
    ),
    "consumer.reject.close.unavailable": OfConsumer(
        "reject.close = {}",
        "reject.close = { unavailable = 4011 }",
        refusal,
        ([1013, "Service unavailable"], [4011, "Service unavailable"]),
        '{key}\n[consumer.on_admit.call]\naction = "bad"',
    ),
    "consumer.reject.when": OfConsumer(
        "reject.when = \"query.cg == '1'\"",
        "reject.when = \"query.cg == '2'\"",
        refusal_of("?cg=2"),
        (403, [4001, ""]),
        'auth = ["jwt"]\nreject.close = 4001\n{key}',
    ),
    "consumer.reject.reason": OfConsumer(
        "", 'reject.reason = "why"', refusal, ([4001, ""], [4001, "why"]), 'auth = ["jwt"]\nreject.close = 4001\n{key}'
    ),
    "consumer.reject.send": OfConsumer(
        "",
        "reject.send = \"{'no': 1}\"",
        refusal,
        ([4001, ""], [{"no": 1}, 4001, ""]),
        'auth = ["jwt"]\nreject.close = 4001\n{key}',
    ),
    "consumer.reject.message": OfConsumer(
        "", 'reject.message = "no"', why, ("Authentication error", "no"), 'auth = ["jwt"]\n{key}', "socket.io"
    ),
    "consumer.reject.missing": OfConsumer(
        "", 'reject.missing = "no"', why, ("Authentication error", "no"), 'auth = ["jwt"]\n{key}', "socket.io"
    ),
    "consumer.reject.invalid": OfConsumer(
        "", 'reject.invalid = "no"', why_invalid, ("Authentication error", "no"), 'auth = ["jwt"]\n{key}', "socket.io"
    ),
    "consumer.invalid": OfConsumer(
        'invalid = "refuse"',
        'invalid = "anonymous"',
        status("?token=noise"),
        (403, 101),
        'auth = ["jwt", "anonymous"]\n{key}',
    ),
    "consumer.at_expiry": OfConsumer(
        'at_expiry = "keep"', 'at_expiry = "close"', ends_with_its_token, (None, 4401), 'auth = ["jwt"]\n{key}'
    ),
    "consumer.anonymous_for": OfConsumer(
        "",
        'anonymous_for = "300ms"',
        ends_alone,
        (None, 4001),
        '{key}\n[consumer.on_message.login.call]\naction = "who"\nok.user = "result.body"\n',
    ),
    "consumer.message_key": OfConsumer(
        'message_key = "type"',
        'message_key = "kind"',
        talks({"type": "a", "kind": "b"}),
        (["a"], ["b"]),
        "{key}\n[consumer.on_message.a]\nreply = \"'a'\"\n[consumer.on_message.b]\nreply = \"'b'\"\n",
    ),
    "consumer.on_bad_json": OfConsumer(
        'on_bad_json = "ignore"', "on_bad_json = { close = 4007 }", talks("{"), ([], [4007]), "{key}\n"
    ),
    "consumer.on_failed": OfConsumer(
        'on_failed = "ignore"',
        "on_failed = { close = { code = 4007, reason = 'failed' } }",
        talks({"type": "m"}),
        ([], [4007]),
        '{key}\n[consumer.on_message.m]\nreply = "message.missing"\n',
    ),
    "consumer.on_unknown_message": OfConsumer(
        'on_unknown_message = "ignore"',
        'on_unknown_message = { reply = "message.n" }',
        talks({"type": "?", "n": 1}),
        ([], [1]),
        "{key}\n",
    ),
    "consumer.max_message": OfConsumer(
        "max_message = 100",
        "max_message = 10_000",
        talks("x" * 500),
        ([1009], ["x" * 500]),
        '{key}\n[consumer.on_raw."*"]\nreply_raw = "message"\n',
    ),
    "consumer.max_rooms": OfConsumer(
        "max_rooms = 1",
        "max_rooms = 2",
        talks({"type": "j", "n": 1}, {"type": "j", "n": 2}),
        (["in", "full"], ["in", "in"]),
        '{key}\n[consumer.on_message.j]\njoin = "NAME_{{ message.n }}"\nreply = "\'in\'"\nfailed = "\'full\'"\n',
    ),
    "consumer.max_items": OfConsumer(
        "max_items = 1",
        "max_items = 2",
        talks({"type": "l", "items": [1, 2]}),
        ([], [1, 2]),
        '{key}\n[consumer.on_message.l]\neach = "message.items"\nreply = "item"\n',
    ),
    "consumer.slow": OfConsumer('slow = "close"', 'slow = "drop_oldest"', behind, ("closed", "the newest"), TICKS),
    "consumer.topics.matching": OfConsumer(
        'matching = "exact"',
        'matching = "words"',
        talks(before=({"type": "subscribe", "names": ["order"]},), events=({"type": "x", "t": "new_order"},)),
        ([], ["new_order"]),
        TOPICS,
    ),
    "consumer.topics.before_subscribe": OfConsumer(
        'before_subscribe = "none"',
        'before_subscribe = "all"',
        talks(events=({"type": "x", "t": "new"},)),
        ([], ["new"]),
        TOPICS,
    ),
    "consumer.topics.max": OfConsumer(
        "max = 1", "max = 2", talks({"type": "subscribe", "names": ["a", "b"]}), ([1008], []), TOPICS
    ),
    "consumer.on_event.<name>.send": OfConsumer(
        'send = "event.a"', 'send = "event.b"', talks(events=(X,)), ([1], ["two"]), HANDLED
    ),
    "consumer.on_event.<name>.send_text": OfConsumer(
        "", "send_text = \"'<p>'\"", talks(events=(X,)), ([1], [1, "<p>"]), HANDLED + 'send = "event.a"\n'
    ),
    "consumer.on_event.<name>.when": OfConsumer(
        'when = "event.a == 1"', 'when = "event.a == 2"', talks(events=(X,)), ([1], []), HANDLED + 'send = "event.a"\n'
    ),
    "consumer.on_event.<name>.topic": OfConsumer(
        'topic = "event.a"',
        'topic = "event.b"',
        talks(before=({"type": "s", "names": ["1"]},), events=(X,)),
        ([1], []),
        HANDLED + 'send = "event.a"\n[consumer.on_message.s]\nsubscribe = "message.names"\n',
    ),
    "consumer.on_event.<name>.key": OfConsumer(
        'key = "event.number"',
        'key = "event.key"',
        behind,
        ("closed", "the newest"),
        'groups = ["NAME"]\nslow = "latest"\n[consumer.on_event.tick]\n{key}\nsend = "event"\n',
    ),
    "consumer.on_event.<name>.emit": OfConsumer(
        'emit = "event.a"', 'emit = "event.b"', talks(events=(X,)), ([1], ["two"]), HANDLED
    ),
    "consumer.on_event.<name>.throttle": OfConsumer(
        'throttle = "1/60s"', 'throttle = "2/60s"', talks(events=(X, X, X)), ([1], [1, 1]), SENDS
    ),
    "consumer.on_event.<name>.leave": OfConsumer(
        'leave = "NAME-none"', 'leave = "{{ group }}"', events_to(("NAME", X), ("NAME", X)), ([1, 1], [1]), SENDS
    ),
    "consumer.on_event.<name>.join": OfConsumer(
        'join = "NAME_one"',
        'join = "NAME_two"',
        events_to(("NAME", X), ("NAME_two", {**X, "a": 2})),
        ([1], [1, 2]),
        SENDS,
    ),
    "consumer.on_event.<name>.close": OfConsumer(
        "close = 4001", 'close = "event.a + 4001"', talks(events=(X,)), ([4001], [4002]), HANDLED
    ),
    "consumer.on_event.<name>.close.code": OfConsumer(
        "close = { code = 4001 }", "close = { code = 'event.a + 4001' }", talks(events=(X,)), ([4001], [4002]), HANDLED
    ),
    "consumer.on_event.<name>.close.reason": OfConsumer(
        'close = { code = 4001, reason = "one" }',
        'close = { code = 4001, reason = "{{ event.b }}" }',
        events_to(("NAME", X)),
        ([[4001, "one"]], [[4001, "two"]]),
        HANDLED,
    ),
    "consumer.on_event.<name>.disconnect": OfConsumer(
        "disconnect = false", "disconnect = true", ends, (None, "disconnected"), HANDLED, protocol="socket.io"
    ),
    "consumer.hello.when": OfConsumer(
        'when = "query.no"', 'when = "true"', talks(), ([], ["it"]), "[consumer.hello]\n{key}\nsend = \"'it'\"\n"
    ),
    "consumer.hello.send": OfConsumer(
        "send = \"'one'\"", "send = \"'two'\"", talks(), (["one"], ["two"]), "[consumer.hello]\n{key}\n"
    ),
    "consumer.hello.emit": OfConsumer(
        'emit = { event = "hello" }',
        'emit = { event = "welcome" }',
        first_event,
        (["hello"], ["welcome"]),
        "[consumer.hello]\n{key}\n",
        "socket.io",
    ),
    "consumer.on_gap.when": OfConsumer(
        'when = "query.no"',
        'when = "true"',
        gap,
        (None, '"ga'),
        'groups = ["NAME"]\n[consumer.on_gap]\n{key}\nsend = "\'gap\'"\n',
    ),
    "consumer.on_gap.send": OfConsumer(
        "send = \"'one'\"", "send = \"'two'\"", gap, ('"on', '"tw'), 'groups = ["NAME"]\n[consumer.on_gap]\n{key}\n'
    ),
    "consumer.on_gap.emit": OfConsumer(
        'emit = { event = "gap" }',
        'emit = { event = "missed" }',
        gap_event,
        (["gap"], ["missed"]),
        'groups = ["NAME"]\n[consumer.on_gap]\n{key}\n',
        "socket.io",
    ),
    "consumer.on_message.<name>": OfConsumer(
        "[consumer.on_message.one]",
        "[consumer.on_message.two]",
        talks({"type": "two"}),
        ([], ["it"]),
        "{key}\nreply = \"'it'\"\n",
    ),
    "consumer.on_raw.<name>": OfConsumer(
        "[consumer.on_raw.one]", "[consumer.on_raw.two]", talks("two"), ([], ["it"]), "{key}\nreply = \"'it'\"\n"
    ),
    "consumer.on_admit": OfConsumer(
        "", 'on_admit = { refuse = "no" }', status(f"?token={token()}"), (101, 403), 'auth = ["jwt"]\n{key}'
    ),
    "consumer.on_connect": OfConsumer("", "on_connect = { reply = \"'hello'\" }", talks(), ([], ["hello"]), "{key}"),
    "consumer.on_disconnect": OfConsumer("", f"on_disconnect = {TOLD % 'gone'}", comes_and_goes, ([], ["gone"]), TELLS),
    "consumer.on_online": OfConsumer(
        "", f"on_online = {TOLD % 'here'}", comes_and_goes, ([], ["here"]), TELLS + PRESENCE
    ),
    "consumer.on_offline": OfConsumer(
        "", f"on_offline = {TOLD % 'away'}", comes_and_goes, ([], ["away"]), TELLS + PRESENCE
    ),
    "consumer.presence.member": OfConsumer(
        'presence = { member = "user.id" }',
        'presence = { member = "claims.nothing | default(none)" }',
        comes_and_goes,
        (["here"], []),
        f"{TELLS}on_online = {TOLD % 'here'}\n",
    ),
    "consumer.presence.grace": OfConsumer(
        'presence = { member = "user.id", grace = "100ms" }',
        'presence = { member = "user.id", grace = "30s" }',
        comes_and_goes,
        (["away"], []),
        f"{TELLS}on_offline = {TOLD % 'away'}\n",
    ),
    "consumer.presence.room": OfConsumer(
        'presence = { member = "user.id" }',
        'presence = { member = "user.id", room = "room_{{ user.id }}" }',
        two_users,
        ([2, "none"], [1, "room_8"]),
        'auth = ["jwt"]\n{key}\non_online = { set.room = "room | default(\'none\', true)", reply = "room" }\n'
        '[consumer.on_message.m]\nreply = "[present().count, vars.room]"\n',
    ),
    "consumer.presence.max_listed": OfConsumer(
        'presence = { member = "user.id" }',
        'presence = { member = "user.id", max_listed = 1 }',
        two_users,
        ([2, 2, True], [1, 2, False]),
        'auth = ["jwt"]\n{key}\non_online = { reply = "1" }\n[consumer.on_message.m]\n'
        'reply = "[present().members | length, present().count, present().complete]"\n',
    ),
    "consumer.heartbeat.every": OfConsumer(
        'heartbeat = { every = "1s", send_text = "ping" }',
        'heartbeat = { every = "1h", send_text = "ping" }',
        beats_again,
        (True, False),
    ),
    "consumer.heartbeat.send": OfConsumer(
        "heartbeat = { every = '1s', send = \"{'type': 'ping'}\" }",
        'heartbeat = { every = "1s", send = "[1]" }',
        beats(2),
        ((['{"type":"ping"}'], None), (["[1]"], None)),
    ),
    "consumer.heartbeat.send_text": OfConsumer(
        'heartbeat = { every = "1s", send_text = "ping" }',
        'heartbeat = { every = "1s", send_text = "tick" }',
        beats(2),
        ((["ping"], None), (["tick"], None)),
    ),
    "consumer.heartbeat.expect": OfConsumer(
        'heartbeat = { every = "3s", send_text = "ping", missed = 2, expect = "pong" }',
        'heartbeat = { every = "3s", send_text = "ping", missed = 2, expect = "ping" }',
        beats(4, {"type": "pong"}),
        ((["ping"], None), (["ping"], (4408, "no answer to the heartbeat"))),
    ),
    "consumer.heartbeat.expect_text": OfConsumer(
        'heartbeat = { every = "3s", send_text = "ping", missed = 2, expect_text = "pong" }',
        'heartbeat = { every = "3s", send_text = "ping", missed = 2, expect_text = "PONG" }',
        beats(4, "pong"),
        ((["ping"], None), (["ping"], (4408, "no answer to the heartbeat"))),
    ),
    "consumer.heartbeat.missed": OfConsumer(
        'heartbeat = { every = "1s", send_text = "ping", missed = 1, expect_text = "pong" }',
        'heartbeat = { every = "1s", send_text = "ping", missed = 60, expect_text = "pong" }',
        beats(4),
        ((["ping"], (4408, "no answer to the heartbeat")), (["ping"], None)),
    ),
    "consumer.heartbeat.close": OfConsumer(
        'heartbeat = { every = "1s", send_text = "ping", missed = 1, expect = "pong" }',
        'heartbeat = { every = "1s", send_text = "ping", missed = 1, expect = "pong", close = 4000 }',
        beats(4),
        ((["ping"], (4408, "no answer to the heartbeat")), (["ping"], (4000, "no answer to the heartbeat"))),
    ),
    "consumer.heartbeat.close.code": OfConsumer(
        'heartbeat = { every = "1s", send_text = "ping", missed = 1, expect = "pong", close = { code = 4001 } }',
        'heartbeat = { every = "1s", send_text = "ping", missed = 1, expect = "pong", close = { code = 4002 } }',
        beats(4),
        ((["ping"], (4001, "no answer to the heartbeat")), (["ping"], (4002, "no answer to the heartbeat"))),
    ),
    "consumer.heartbeat.close.reason": OfConsumer(
        'heartbeat = { every = "1s", send_text = "x", expect = "p", missed = 1, close = { code = 4001, reason = "a" }}',
        'heartbeat = { every = "1s", send_text = "x", expect = "p", missed = 1, close = { code = 4001, reason = "b" }}',
        beats(4),
        ((["x"], (4001, "a")), (["x"], (4001, "b"))),
    ),
    "consumer.samples.<name>.group": OfConsumer(
        'group = "one"',
        'group = "two"',
        sample("group"),
        (["one"], ["two"]),
        'groups = ["one", "two"]\n[consumer.on_event."*"]\nsend = "event"\n'
        '[consumer.samples.a]\n{key}\nevent = { type = "x" }\n',
    ),
    "consumer.samples.<name>.event": OfConsumer(
        'event = { type = "x" }',
        'event = { type = "y" }',
        sample("event"),
        ([{"type": "x"}], [{"type": "y"}]),
        'groups = ["one"]\n[consumer.on_event."*"]\nsend = "event"\n[consumer.samples.a]\ngroup = "one"\n{key}\n',
    ),
}
