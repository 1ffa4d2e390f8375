"""A node's state for clients that have sent nothing yet: Engine.IO sessions without a namespace.

Each row is an attack by three hundred clients (`rig.attack`).
"""

import asyncio
import time

import pytest
import stack
from rig.attack import BOUNDS, CLIENTS, Target, attack, bounds
from rig.client import until
from rig.engine import BASE, Polling, open_socket
from rig.raw import Raw

pytestmark = pytest.mark.alone("measures memory")


@pytest.fixture(scope="module")
def target(module_system, hanging):
    env = bounds(socketio__connect_timeout="45s")
    return Target(module_system, hanging, **env, CHANNELGATE__SERVER__MAX_CONNECTIONS="1500")


@pytest.fixture
async def node(target):
    return await target.node()


def handshakes(port: int, count: int) -> bytes:
    return f"GET {BASE}polling HTTP/1.1\r\nHost: {stack.LOOPBACK}:{port}\r\n\r\n".encode() * count


async def flood(row, count: int) -> None:
    """Polling handshakes over persistent connections, one after the other without waiting."""
    await row.open(lambda: Raw.tcp(row.port))

    async def read(raw: Raw) -> None:
        await raw.write(handshakes(row.port, count))
        answers = b""
        # All of them: what the node answered later would displace a client that connects afterwards.
        while answers.count(b"HTTP/1.1 ") < count and (more := await raw.reader.read(1 << 16)):
            answers += more

    await row.each(read, deadline=60)


async def test_polling_sessions_without_a_namespace_do_not_displace_clients(node):
    async with attack(node, "20 polling handshakes each", BOUNDS["socketio.max_pending"] * 8192) as row:
        await flood(row, 20)
        # A client that connects at once is accepted: the oldest of the others is closed.
        session = await Polling.open(row.port)
        await session.join()


async def test_a_polling_session_that_is_never_polled_ends_in_seconds(node):
    session = await Polling.open(node.port)
    began = time.monotonic()

    async def is_gone() -> bool:
        return (await session.post(b"3")).status == 400

    await until(is_gone, "the session to be gone", 60, 0.2)
    assert time.monotonic() - began < 4
    # One that is polled has the full time to connect.
    session = await Polling.open(node.port)
    poll = asyncio.create_task(session.get())
    await asyncio.sleep(2)
    assert (await session.post(b"40")).status == 200
    assert (await poll).body.startswith(b"40{")


async def test_sockets_without_a_namespace_do_not_displace_clients(node):
    async with attack(node, "four sockets each in no namespace", BOUNDS["socketio.max_pending"] * 8192) as row:
        await row.open(lambda: open_socket(row.port, join=False), 4 * CLIENTS)
        await open_socket(row.port)
        ended = await asyncio.gather(*(is_over(raw) for raw in row.raws))
        open_ones = ended.count(False)
        assert open_ones <= BOUNDS["socketio.max_pending"], f"{open_ones} of {len(row.raws)} are open"


async def is_over(raw: Raw) -> bool:
    try:
        await raw.close_code(5)
    except TimeoutError:
        return False
    return True
