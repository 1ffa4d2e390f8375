"""The behaviour of handlers: each key of a step and of an emit."""

import json

import stack
from channelgate import signed_group
from django.conf import settings
from django.test.utils import override_settings
from rig.client import DEADLINE
from rig.raw import Raw

from . import OfConsumer
from .consumers import refusal, status, talks
from .world import Chat, Place, decoded, fence, token

M = {"type": "m", "n": 1}
STEP = "[consumer.on_message.m]\n{key}\n"


def step(one: str, two: str, seen, body: str = STEP, look=None, protocol: str = "websocket"):
    """The answers to a message."""
    return OfConsumer(one, two, look or talks(M), seen, body, protocol)


def tells(*messages, own: bool = False):
    """What another client of the place receives for these messages."""

    async def look(place: Place):
        other = await place.open("?other=1")
        client = await place.open()
        for message in messages:
            await client.send(message)
        await fence(client)
        listener = client if own else other
        found = await place.settled(lambda: [decoded(frame) for frame in listener.frames if frame != "fence"])
        await client.close()
        await other.close()
        return found

    return look


async def joins_as_signed(place: Place):
    """What a client receives from a group that Django has signed."""
    if not settings.configured:
        settings.configure()
    with override_settings(CHANNELGATE={"SECRET": stack.SECRET_KEY}):
        signed = signed_group(f"{place.name}_room")
    return await tells({"type": "m", "token": signed}, {"type": "p"}, own=True)(place)


def chats(*emits, who=None, acknowledges=None, wait: float = 0.0, ask: str | None = None):
    """What a Socket.IO client receives, or how it is acknowledged."""

    async def look(place: Place):
        chat = await Chat.open(place.site, place.namespace, token(who) if who else None)
        chat.acknowledges = acknowledges
        assert not chat.refused, chat.refused
        if ask:
            found = await chat.ask(ask, 1)
            chat.close()
            return found
        for emit in emits:
            await chat.emit(*emit)
        await chat.fence()
        found = await place.settled(lambda: [*chat.events, *([chat.over] if chat.over else [])], wait)
        chat.close()
        return found

    return look


def closed_by(message):
    """The code and reason after a message."""

    async def look(place: Place):
        client = await place.open()
        await client.send(message)
        return list(await client.gone())

    return look


def in_rooms(user_one: dict, *emits):
    """What a Socket.IO client receives for another one's emits."""

    async def look(place: Place):
        other = await Chat.open(place.site, place.namespace, token(8, **user_one))
        chat = await Chat.open(place.site, place.namespace, token(9))
        for emit in emits:
            await chat.emit(*emit)
        await chat.fence()
        found = await place.settled(lambda: list(other.events))
        chat.close()
        other.close()
        return found

    return look


async def refreshes(place: Place):
    client = await place.open(f"?token={token(role='old')}")
    await client.send({"type": "m", "token": token(role="new")})
    frames = await client.count(1)
    await client.close()
    return frames


async def left_out(place: Place):
    """Whether a slow client misses some messages."""
    raw = await Raw.stalled(place.site.port, place.path)
    client = await place.open()
    count = 60
    for number in range(count):
        await client.send({"type": "m", "n": number, "text": "x" * 10_000})
    await fence(client)
    await client.send({"type": "last"})
    numbers = []
    while not numbers or numbers[-1] != "last":
        opcode, payload = await raw.read(DEADLINE)
        if opcode == 1:
            numbers.append(json.loads(payload)["n"])
    raw.abort()
    await client.close()
    return len(numbers) - 1 < count


async def asked_again(place: Place):
    client = await place.open()
    await client.send({"type": "m", "n": place.name})
    frames = await client.count(1)
    await client.close()
    return frames


CALL = "[consumer.on_message.m.call]\n{key}\n"
OK = 'ok = { reply = "result.body.ok" }\n'
ASK = '[consumer.on_message.m]\nreply = { event = "q", expect = { {key} } }\n'
MEMBERS = """auth = ["jwt"]
groups = ["user_{{ user.id }}", "role_{{ user.role | default('none') }}", "NAME"]
[consumer.on_message.m]
{key}
"""
JOINED = 'groups = ["NAME"]\n[consumer.on_event.x]\nsend = "event.a"\n'

TABLE: dict[str, OfConsumer] = {
    "step.when": step('when = "message.n == 1"', 'when = "message.n == 2"', (["it"], []), STEP + "reply = \"'it'\"\n"),
    "step.require": step(
        'require = "message.n == 1"', 'require = "message.n == 2"', (["it"], []), STEP + "reply = \"'it'\"\n"
    ),
    "step.denied": step("", "denied = \"'no'\"", ([], ["no"]), STEP + 'require = "false"\n'),
    "step.failed": step(
        "",
        "failed = \"'full'\"",
        ([], ["full"]),
        'max_rooms = 1\n[consumer.on_message.m]\n{key}\njoin = ["NAME_1", "NAME_2"]\n',
    ),
    "step.limit": step(
        'limit = "1/60s"', 'limit = "5/60s"', ([1], [1, 1, 1]), STEP + 'reply = "message.n"\n', talks(M, M, M)
    ),
    "step.limited": step(
        "", "limited = \"'slow'\"", ([1], [1, "slow"]), STEP + 'limit = "1/60s"\nreply = "message.n"\n', talks(M, M)
    ),
    "step.refresh": step(
        "",
        'refresh = "message.token"',
        (["old"], ["new"]),
        'auth = ["jwt"]\n' + STEP + 'reply = "user.role"\n',
        refreshes,
    ),
    "step.set": step('set = { v = "1" }', 'set = { v = "message.n + 1" }', ([1], [2]), STEP + 'reply = "vars.v"\n'),
    "step.user": step(
        "",
        "user = \"{'id': 9}\"",
        ([7], [9]),
        'auth = ["jwt"]\n[consumer.on_admit]\n{key}\n[consumer.on_message.m]\nreply = "user.id"\n',
        talks(M, more=f"?token={token()}"),
    ),
    "step.refuse": step(
        'when = "false"\nrefuse = "no"',
        'refuse = "no"',
        (101, 403),
        'auth = ["jwt"]\n[consumer.on_admit]\n{key}\n',
        status(f"?token={token()}"),
    ),
    "step.leave": step(
        "reply = \"'stays'\"",
        'leave = "NAME_room"\nreply = "\'left\'"',
        (["stays", 1], ["left"]),
        'on_connect = { join = "NAME_room" }\n[consumer.on_message.m]\n{key}\n'
        "[consumer.on_message.p]\npublish = { group = \"NAME_room\", event = \"{'type': 'told', 'n': 1}\" }\n"
        '[consumer.on_event.told]\nsend = "event.n"\n',
        tells(M, {"type": "p"}, own=True),
    ),
    "step.join": step(
        "reply = \"'stays'\"",
        'join = "NAME_room"\nreply = "\'in\'"',
        (["stays"], ["in", 1]),
        'groups = ["NAME_other"]\n[consumer.on_message.m]\n{key}\n'
        "[consumer.on_message.p]\npublish = { group = \"NAME_room\", event = \"{'type': 'told', 'n': 1}\" }\n"
        '[consumer.on_event.told]\nsend = "event.n"\n',
        tells(M, {"type": "p"}, own=True),
    ),
    "step.join_token": step(
        "reply = \"'stays'\"",
        'join_token = "message.token"\nreply = "\'in\'"',
        (["stays"], ["in", 1]),
        'groups = ["NAME_other"]\n[consumer.on_message.m]\n{key}\n'
        "[consumer.on_message.p]\npublish = { group = \"NAME_room\", event = \"{'type': 'told', 'n': 1}\" }\n"
        '[consumer.on_event.told]\nsend = "event.n"\n',
        joins_as_signed,
    ),
    "step.allow": step(
        'allow = "NAME_<int>"',
        'allow = "NAME-a_<int>"',
        (["in"], ["no"]),
        STEP + 'join = "{{ message.room }}"\ndenied = "\'no\'"\nreply = "\'in\'"\n',
        lambda place: place.talk({"type": "m", "room": f"{place.name}_7"}),
    ),
    "step.subscribe": step(
        "subscribe = \"['other']\"",
        'subscribe = "message.n"',
        ([], [1]),
        'groups = ["NAME"]\n[consumer.on_event.x]\ntopic = "1"\nsend = "event.a"\n[consumer.on_message.m]\n{key}\n',
        talks(before=({"type": "m", "n": "1"},), events=({"type": "x", "a": 1},)),
    ),
    "step.unsubscribe": step(
        "",
        'unsubscribe = "message.n"',
        ([1], []),
        'groups = ["NAME"]\n[consumer.on_event.x]\ntopic = "1"\nsend = "event.a"\n'
        "[consumer.on_connect]\nsubscribe = \"['1', '2']\"\n"
        "[consumer.on_message.m]\n{key}\n",
        talks(before=({"type": "m", "n": "1"},), events=({"type": "x", "a": 1},)),
    ),
    "step.refuse.text": step(
        "refuse = { text = 'one', code = 4000 }",
        "refuse = { text = 'two', code = 4000 }",
        ([4000, "one"], [4000, "two"]),
        "[consumer.on_admit]\n{key}\n",
        refusal,
    ),
    "step.refuse.code": step(
        "refuse = { text = 'no', code = 4001 }",
        "refuse = { text = 'no', code = 4002 }",
        ([4001, "no"], [4002, "no"]),
        "[consumer.on_admit]\n{key}\n",
        refusal,
    ),
    "step.refuse.status": step(
        "refuse = { text = 'no', status = 404 }",
        "refuse = { text = 'no', status = 410 }",
        (404, 410),
        "[consumer.on_admit]\n{key}\n",
        refusal,
    ),
    "step.call.action": step('action = "good"', 'action = "other"', ([True], ["other"]), CALL + OK),
    "step.call.data": step(
        'data = "1"', 'data = "2"', ([1], [2]), CALL + 'action = "ask"\nok = { reply = "result.body.said" }\n'
    ),
    "step.call.idempotent": step(
        "idempotent = false",
        "idempotent = true",
        (["lost"], [True]),
        CALL + 'action = "flaky"\ndata = "message.n"\n' + OK + "error = { reply = \"'lost'\" }\n",
        asked_again,
    ),
    "step.call.timeout": step(
        'timeout = "300ms"',
        'timeout = "60s"',
        (["late"], [True]),
        CALL + 'action = "slow"\n' + OK + "error = { reply = \"'late'\" }\n",
        talks(M),
    ),
    "step.call.ok": step("", OK, ([], [True]), CALL + 'action = "good"\n'),
    "step.call.status.<name>": step(
        "status.207 = { reply = \"'moved'\" }",
        "status.208 = { reply = \"'moved'\" }",
        (["moved"], [True]),
        CALL + 'action = "moved"\n' + OK,
    ),
    "step.call.unavailable": step(
        "",
        "unavailable = { reply = \"'away'\" }",
        (["bad"], ["away"]),
        CALL + 'action = "busy"\nerror = { reply = "\'bad\'" }\n',
    ),
    "step.call.error": step("", "error = { reply = \"'bad'\" }", ([], ["bad"]), CALL + 'action = "bad"\n'),
    "step.each": step('each = "[1]"\nreply = "item"', 'each = "[message.n, 2]"\nreply = "item"', ([1], [1, 2])),
    "step.reply": step("reply = \"'one'\"", "reply = \"'two'\"", (["one"], ["two"])),
    "step.reply_raw": step("reply_raw = \"'one'\"", "reply_raw = \"'two'\"", (["one"], ["two"])),
    "step.ack": step('ack = "args[0]"', 'ack = "2"', ([1], [2]), look=chats(ask="m"), protocol="socket.io"),
    "step.ack_args": step(
        'ack_args = "[1, 2]"', 'ack_args = "[]"', ([1, 2], []), look=chats(ask="m"), protocol="socket.io"
    ),
    "step.others": step(
        'reply = { event = "t" }',
        'others = { to = "NAME", event = "t" }',
        ([], [["t"]]),
        MEMBERS,
        in_rooms({}, ("m",)),
        "socket.io",
    ),
    "step.room": step(
        'room = { to = "NAME", event = "t" }',
        'room = { to = "NAME-none", event = "t" }',
        ([["t"]], []),
        MEMBERS,
        in_rooms({}, ("m",)),
        "socket.io",
    ),
    "step.to_user": step(
        'to_user = { to = "8", event = "t" }',
        'to_user = { to = "80", event = "t" }',
        ([["t"]], []),
        MEMBERS,
        in_rooms({}, ("m",)),
        "socket.io",
    ),
    "step.to_role": step(
        'to_role = { to = "boss", event = "t" }',
        'to_role = { to = "nobody", event = "t" }',
        ([["t"]], []),
        MEMBERS,
        in_rooms({"role": "boss"}, ("m",)),
        "socket.io",
    ),
    "step.all": step(
        'reply = { event = "t" }', 'all = { event = "t" }', ([], [["t"]]), MEMBERS, in_rooms({}, ("m",)), "socket.io"
    ),
    "step.publish.group": step(
        "publish = { group = \"NAME\", event = \"{'type': 'x', 'a': 1}\" }",
        "publish = { group = \"NAME-none\", event = \"{'type': 'x', 'a': 1}\" }",
        ([1], []),
        JOINED + "[consumer.on_message.m]\n{key}\n",
        tells(M),
    ),
    "step.publish.event": step(
        "publish = { group = \"NAME\", event = \"{'type': 'x', 'a': 1}\" }",
        "publish = { group = \"NAME\", event = \"{'type': 'x', 'a': 2}\" }",
        ([1], [2]),
        JOINED + "[consumer.on_message.m]\n{key}\n",
        tells(M),
    ),
    "step.close": step("close = 4001", "close = 4002", ([4001], [4002])),
    "step.close.code": step("close = { code = 4001 }", "close = { code = 4002 }", ([4001], [4002])),
    "step.close.reason": step(
        'close = { code = 4001, reason = "one" }',
        'close = { code = 4001, reason = "{{ message.n }} two" }',
        ([4001, "one"], [4001, "1 two"]),
        look=closed_by(M),
    ),
    "step.disconnect": step(
        "disconnect = false", "disconnect = true", ([], ["disconnected"]), look=chats(("m",)), protocol="socket.io"
    ),
    "emit.to": step(
        'room = { to = "NAME", event = "t" }',
        'room = { to = "NAME-none", event = "t" }',
        ([["t"]], []),
        MEMBERS,
        in_rooms({}, ("m",)),
        "socket.io",
    ),
    "emit.event": step(
        'reply = { event = "one" }',
        'reply = { event = "two" }',
        ([["one"]], [["two"]]),
        look=chats(("m",)),
        protocol="socket.io",
    ),
    "emit.data": step(
        'reply = { event = "t", data = "1" }',
        'reply = { event = "t", data = "2" }',
        ([["t", 1]], [["t", 2]]),
        look=chats(("m",)),
        protocol="socket.io",
    ),
    "emit.args": step(
        'reply = { event = "t", args = "[1, 2]" }',
        'reply = { event = "t", args = "[]" }',
        ([["t", 1, 2]], [["t"]]),
        look=chats(("m",)),
        protocol="socket.io",
    ),
    "emit.send": step('reply = { send = "1" }', 'reply = { send = "2" }', ([1], [2])),
    "emit.volatile": step(
        "volatile = false",
        "volatile = true",
        (False, True),
        'on_connect = { join = "NAME_room" }\n[consumer.on_message.m]\n'
        'room = { to = "NAME_room", send = "message", {key} }\n'
        "[consumer.on_message.last]\nroom = { to = \"NAME_room\", send = \"{'n': 'last'}\" }\n",
        left_out,
    ),
    "emit.when": step(
        'reply = { send = "1", when = "message.n == 1" }', 'reply = { send = "1", when = "message.n == 2" }', ([1], [])
    ),
    "emit.expect.timeout": step(
        'timeout = "300ms"',
        'timeout = "20s"',
        ([["q"], ["late"]], [["q"]]),
        "[consumer.on_message.m]\n"
        'reply = { event = "q", expect = { {key}, error = { reply = { event = "late" } } } }\n',
        chats(("m",), wait=1.2),
        "socket.io",
    ),
    "emit.expect.ok": step(
        "",
        'ok = { reply = { event = "thanks", args = "result.args" } }',
        ([["q"]], [["q"], ["thanks", 5]]),
        ASK,
        chats(("m",), acknowledges=[5], wait=0.5),
        "socket.io",
    ),
    "emit.expect.error": step(
        'timeout = "300ms"',
        'timeout = "300ms", error = { reply = { event = "late" } }',
        ([["q"]], [["q"], ["late"]]),
        ASK,
        chats(("m",), wait=1.2),
        "socket.io",
    ),
}
