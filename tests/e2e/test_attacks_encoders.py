"""Data that grows when it is encoded again: an attachment named many times, numbers that are longer as text.

Each row is an attack by three hundred clients (`rig.attack`), or by one.
"""

import asyncio
import contextlib

import pytest
from rig.attack import BOUNDS, CLIENTS, Target, attack, bounds, frame, packet
from rig.client import until
from rig.raw import TEXT

pytestmark = pytest.mark.alone("measures memory")

INBOX = BOUNDS["socket.inbox_total"]
#: The limits for data written to Redis, to a client and to the backend.
LIMIT = 16 << 10


@pytest.fixture(scope="module")
def target(module_system, hanging):
    limits = {f"CHANNELGATE__{key}": str(LIMIT) for key in ("LAYER__MAX_MESSAGE", "BACKEND__MAX_REQUEST")}
    return Target(
        module_system, hanging, **bounds(socket__inbox_total=256 << 20), **limits, CHANNELGATE__BACKEND__TIMEOUT="4s"
    )


@pytest.fixture
async def node(target):
    return await target.node()


#: The destination of an event with attachments, and the event's name.
WAYS = {
    "to Redis": b"tell",
    "to everybody": b"all",
    "to the backend": b"carry",
    "back as an event": b"say",
    "back": b"echo",
}


async def test_an_attachment_that_is_named_many_times_is_malformed(node):
    async with attack(node, "50 times the same 100 kB each", 0) as row:
        await row.namespaces()
        places = b",".join([b'{"_placeholder":true,"num":0}'] * 50)
        for number, name in enumerate(WAYS.values()):
            some = row.raws[number :: len(WAYS)]
            await row.write(packet(b'51-7["' + name + b'",' + places + b"]", bytes(100_000)), some)
        await all_end(row)


async def test_one_packet_does_not_end_the_node(node):
    async with attack(node, "1,500 times the same 300 kB, by one client", 0) as row:
        await row.namespaces(30)
        places = b",".join([b'{"_placeholder":true,"num":0}'] * 1500)
        await row.write(packet(b'51-["tell",' + places + b"]", bytes(300_000)), row.raws[:1])


async def test_an_attachment_without_a_placeholder_is_malformed(node):
    async with attack(node, "an attachment of 90 kB each that nothing names", INBOX) as row:
        await row.namespaces()
        await row.write(packet(b'51-["echo",1]', bytes(90_000)))
        await all_end(row)


async def test_data_that_grows_when_encoded_stops_at_its_limit(module_system, node):
    """`1e15` has eighteen characters when it is encoded again."""
    async with attack(node, "10 kB each that become 38 as JSON", CLIENTS * 100_000) as row:
        await row.sockets("/plain/")
        for number, kind in enumerate([b"tell", b"carry", b"echo"]):
            text = b'{"type":"' + kind + b'","data":[' + b"1e15," * 2000 + b"0]}"
            await row.write(frame(TEXT, text), row.raws[number::3])

        async def counted() -> bool:
            refused = [
                module_system.metric(node, "channelgate_refused_messages_total", reason="not_published"),
                module_system.metric(node, "channelgate_refused_messages_total", reason="too_large"),
                module_system.metric(
                    node, "channelgate_backend_calls_total", action="hang", outcome="request_too_large"
                ),
            ]
            return refused == [CLIENTS / 3] * 3

        await until(counted, "all to be refused", 30, 0.2)


async def all_end(row) -> None:
    """All of the attackers' connections are closed."""

    async def over(raw) -> bool:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await raw.close_code()
        return True

    ended = await asyncio.gather(*(over(raw) for raw in row.raws), return_exceptions=True)
    still = sum(one is not True for one in ended)
    assert not still, f"{still} connections are still open"
