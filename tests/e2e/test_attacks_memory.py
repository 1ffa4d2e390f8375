"""Bytes of clients that are not a message yet: what they take of a node is bounded, and they do not wait for ever.

Each row is an attack by three hundred clients (`rig.attack`).
"""

import asyncio
import contextlib

import pytest
from rig.attack import CLIENTS, Target, attack, bounds, frame, polling, post
from rig.engine import BASE
from rig.raw import BINARY, CLOSE, Raw
from rig.system import API_KEY

pytestmark = pytest.mark.alone("measures memory")


@pytest.fixture(scope="module")
def target(module_system, hanging):
    return Target(module_system, hanging, **bounds())


@pytest.fixture
async def node(target):
    return await target.node()


async def test_an_idle_node_gives_back_what_it_took(module_system, hanging):
    """As it is, without any setting of the allocator's."""
    node = await Target(module_system, hanging, **bounds(), _RJEM_MALLOC_CONF="").node()
    async with attack(node, "a message of 60 kB each", CLIENTS * 60_000) as row:
        await row.sockets("/plain/")
        await row.write(frame(BINARY, bytes(60_000), missing=1000))
    node.stop()


#: Who has no key is not read at all.
ROUTES = {
    "publish without a key": ("/api/publish", "POST"),
    "disconnect without a key": ("/api/websocket/disconnect", "POST"),
    "emit by nobody": ("/api/websocket/emit/room/x", "POST"),
    "a ws-token": ("/api/user/ws-token/", "GET"),
    "a path that is not there": ("/nothing", "POST"),
    "a session that is not there": (f"{BASE}polling&sid=x", "POST"),
}


@pytest.mark.parametrize("what", ROUTES)
async def test_bodies_that_never_end(node, what):
    path, method = ROUTES[what]
    async with attack(node, f"half a body of 0.99 MB each: {what}", 0) as row:
        await row.open(lambda: Raw.tcp(row.port))
        await row.write(post(row.port, path, 990_000, bytes(980_000), method))


async def ends(raw: Raw, drip: bytes) -> bool:
    """Whether the node ends a connection within eight seconds whose client sends such a bit each half second."""

    async def over() -> bool:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while data := await raw.reader.read(4096):
                if data[0] == 0x80 | CLOSE or data.startswith(b"HTTP/1.1 408"):
                    return True
        return True

    end = asyncio.create_task(over())
    for _ in range(16):
        done, _ = await asyncio.wait([end], timeout=0.5)
        if done:
            return True
        with contextlib.suppress(ConnectionError):
            await raw.write(drip)
    end.cancel()
    return False


async def test_every_request_has_a_deadline(node):
    async def bare(data: bytes) -> Raw:
        raw = await Raw.tcp(node.port)
        await raw.write(data)
        return raw

    key = {"Authorization": f"Bearer {API_KEY}"}
    session = (await polling(node.port)).sid
    # What is begun, and what its client goes on with so that the connection is never silent.
    begun = {
        "a head": (bare(b"GET /plain/ HTTP/1.1\r\n"), b"X: x\r\n"),
        "a body of publish": (bare(post(node.port, "/api/publish", 1000, b"[", **key)), b" "),
        "a body of disconnect": (bare(post(node.port, "/api/websocket/disconnect", 1000, b"{", **key)), b" "),
        "a body for nobody": (bare(post(node.port, "/nothing", 1000, b"x")), b"x"),
        "a body of a ws-token": (bare(post(node.port, "/api/user/ws-token/", 1000, b"x", "GET")), b"x"),
        "a polling body": (bare(post(node.port, f"{BASE}polling&sid={session}", 1000, b"4")), b"x"),
    }
    raws = {what: await opening for what, (opening, _) in begun.items()}
    ended = await asyncio.gather(*(ends(raws[what], drip) for what, (_, drip) in begun.items()))
    for raw in raws.values():
        raw.abort()
    waits = [what for what, over in zip(begun, ended, strict=True) if not over]
    assert not waits, waits
