"""Messages that wait for a hanging backend, for Redis or for an acknowledgement: their memory is bounded, in bytes and
in decoded values.

Each row is an attack by three hundred clients (`rig.attack`), or by one.
"""

import asyncio
import json
import signal

import pytest
import redis.asyncio
from rig.attack import BOUNDS, Target, attack, bounds, frame, polling
from rig.client import until
from rig.engine import SEPARATOR
from rig.raw import TEXT

pytestmark = pytest.mark.alone("measures memory")

INBOX = BOUNDS["socket.inbox_total"]
OUTBOXES = 4 << 20
#: Bytes that decode to many values: each value takes seventy bytes of memory.
ZEROS = b"[" + b"0," * 20_000 + b"0]"


#: Calls time out, and polling sessions of gone clients end.
QUICK = {
    "CHANNELGATE__BACKEND__TIMEOUT": "4s",
    "CHANNELGATE__SOCKETIO__PING_INTERVAL": "5s",
    "CHANNELGATE__SOCKETIO__PING_TIMEOUT": "5s",
}


@pytest.fixture(scope="module")
def target(module_system, hanging):
    return Target(module_system, hanging, **bounds(socket__outbox_total=OUTBOXES), **QUICK)


@pytest.fixture
async def node(target):
    return await target.node()


def event(name: bytes, *args: bytes) -> bytes:
    """A Socket.IO event in its Engine.IO packet."""
    return b"42[" + b",".join([b'"' + name + b'"', *args]) + b"]"


def message(kind: bytes, data: bytes) -> bytes:
    return frame(TEXT, b'{"type":"' + kind + b'","data":' + data + b"}")


async def test_plain_messages_behind_a_hanging_call(node):
    async with attack(node, "a call and 1 MB of messages each", INBOX) as row:
        await row.sockets("/plain/")
        await row.write(message(b"call", b"1") + message(b"call", b'"' + b"x" * 250_000 + b'"') * 4)


async def test_socketio_events_behind_a_hanging_call(node):
    async with attack(node, "a call and 80 kB of events each", INBOX) as row:
        await row.namespaces()
        await row.write(frame(TEXT, event(b"call")) + frame(TEXT, event(b"call", ZEROS)) * 2)


async def test_events_of_one_client_behind_a_hanging_call(node):
    async with attack(node, "a call and 10 MB of one client", BOUNDS["socket.inbox"]) as row:
        await row.namespaces(30)
        zeros = ZEROS[:-1] + b",0" * 80_000 + b"]"
        await row.write(frame(TEXT, event(b"call")) + frame(TEXT, event(b"call", zeros)) * 50, row.raws[:1])


async def test_polled_events_behind_a_hanging_call(node):
    async with attack(node, "a call and 2,500 small events each in one body", INBOX) as row:
        sessions = await row.open(lambda: polling(row.port))
        body = SEPARATOR.join([event(b"call")] + [event(b"call", b"[0,0,0,0,0,0,0,0]")] * 2500)
        await row.each(lambda session: session.post(body), sessions, 10)


async def test_events_behind_a_handler_that_has_joined_a_room(node, module_system):
    async with attack(node, "30 kB of events each behind a call", OUTBOXES) as row:
        await row.sockets("/plain/")
        names = {id(raw): raw for raw in row.raws}
        for name, raw in names.items():
            await raw.write(frame(TEXT, json.dumps({"type": "join_and_call", "name": str(name)}).encode()))
        event = json.dumps({"type": "shouted", "text": "x" * 30_000})
        async with redis.asyncio.from_url(module_system.redis_url) as bus:

            async def have_joined() -> bool:
                return len(await bus.pubsub_channels("channelgate:room_*")) >= len(names)

            await until(have_joined, "all of them to join")
            for name in names:
                await bus.publish(f"channelgate:room_{name}", event)
        lost = lambda: module_system.metric(node, "channelgate_drops_total", reason="held") > 0  # noqa: E731
        await until(lost, "the node to give up")


async def test_a_message_with_a_hanging_call(node):
    async with attack(node, "a call that carries 40 kB each", INBOX) as row:
        await row.sockets("/plain/")
        await row.write(message(b"carry", ZEROS))


async def test_events_waiting_for_an_acknowledgement(node):
    async with attack(node, "ten questions about 100 kB each", INBOX) as row:
        await row.namespaces()
        await row.write(frame(TEXT, event(b"ask", b'"' + b"x" * 100_000 + b'"')) * 10)


async def test_messages_published_while_redis_is_frozen(module_system, node):
    async with attack(node, "900 kB each for a frozen Redis", INBOX) as row:
        await row.sockets("/plain/")
        module_system.redis.signal(signal.SIGSTOP)
        try:
            await row.write(message(b"tell", b'"' + b"x" * 900_000 + b'"'))
            await asyncio.sleep(1)
        finally:
            module_system.redis.signal(signal.SIGCONT)
