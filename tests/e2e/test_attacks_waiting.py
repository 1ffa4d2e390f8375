"""Messages that wait, for a backend that hangs, for Redis, for an acknowledgement: what they take of a node is
bounded, in bytes and in what those bytes become.

Each row is an attack by three hundred clients (`rig.attack`), or by one.
"""

import asyncio
import signal

import pytest
from rig.attack import BOUNDS, Target, attack, bounds, frame, polling
from rig.engine import SEPARATOR
from rig.raw import TEXT

pytestmark = pytest.mark.alone("measures memory")

INBOX = BOUNDS["socket.inbox_total"]
#: Bytes that become many values: each of them takes seventy in memory.
ZEROS = b"[" + b"0," * 20_000 + b"0]"


#: Calls end, and so do polling sessions whose clients are gone.
QUICK = {
    "CHANNELGATE__BACKEND__TIMEOUT": "4s",
    "CHANNELGATE__SOCKETIO__PING_INTERVAL": "5s",
    "CHANNELGATE__SOCKETIO__PING_TIMEOUT": "5s",
}


@pytest.fixture(scope="module")
def target(module_system, hanging):
    return Target(module_system, hanging, **bounds(), **QUICK)


@pytest.fixture
async def node(target):
    return await target.node()


def event(name: bytes, *args: bytes) -> bytes:
    """A Socket.IO event as the packet of Engine.IO that carries it."""
    return b"42[" + b",".join([b'"' + name + b'"', *args]) + b"]"


def message(kind: bytes, data: bytes) -> bytes:
    return frame(TEXT, b'{"type":"' + kind + b'","data":' + data + b"}")


async def test_plain_messages_behind_a_call_that_hangs(node):
    async with attack(node, "a call and 1 MB of messages each", INBOX) as row:
        await row.sockets("/plain/")
        await row.write(message(b"call", b"1") + message(b"call", b'"' + b"x" * 250_000 + b'"') * 4)


async def test_socketio_events_behind_a_call_that_hangs(node):
    async with attack(node, "a call and 80 kB of events each", INBOX) as row:
        await row.namespaces()
        await row.write(frame(TEXT, event(b"call")) + frame(TEXT, event(b"call", ZEROS)) * 2)


async def test_the_events_of_one_client_behind_a_call_that_hangs(node):
    async with attack(node, "a call and 10 MB of one client", BOUNDS["socket.inbox"]) as row:
        await row.namespaces(30)
        zeros = ZEROS[:-1] + b",0" * 80_000 + b"]"
        await row.write(frame(TEXT, event(b"call")) + frame(TEXT, event(b"call", zeros)) * 50, row.raws[:1])


async def test_polled_events_behind_a_call_that_hangs(node):
    async with attack(node, "a call and 2,500 small events each in one body", INBOX) as row:
        sessions = await row.open(lambda: polling(row.port))
        body = SEPARATOR.join([event(b"call")] + [event(b"call", b"[0,0,0,0,0,0,0,0]")] * 2500)
        await row.each(lambda session: session.post(body), sessions, 10)


async def test_a_message_whose_own_call_hangs(node):
    async with attack(node, "a call that carries 40 kB each", INBOX) as row:
        await row.sockets("/plain/")
        await row.write(message(b"carry", ZEROS))


async def test_events_whose_question_the_client_does_not_answer(node):
    async with attack(node, "ten questions about 100 kB each", INBOX) as row:
        await row.namespaces()
        await row.write(frame(TEXT, event(b"ask", b'"' + b"x" * 100_000 + b'"')) * 10)


async def test_messages_that_are_published_while_redis_stands_still(module_system, node):
    async with attack(node, "900 kB each for a Redis that stands still", INBOX) as row:
        await row.sockets("/plain/")
        module_system.redis.signal(signal.SIGSTOP)
        try:
            await row.write(message(b"tell", b'"' + b"x" * 900_000 + b'"'))
            await asyncio.sleep(1)
        finally:
            module_system.redis.signal(signal.SIGCONT)
