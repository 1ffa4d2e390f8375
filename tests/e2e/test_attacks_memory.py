"""Incomplete data of clients: its memory on a node is bounded, and it is not kept forever.

Each row is an attack by three hundred clients (`rig.attack`).
"""

import asyncio
import contextlib
import os

import pytest
from rig.attack import BOUNDS, CLIENTS, Target, attack, bounds, frame, packet, polling, post
from rig.compressed import deflated
from rig.demo import mint
from rig.engine import BASE
from rig.raw import BINARY, CLOSE, PING, TEXT, Raw, request
from rig.system import API_KEY

pytestmark = pytest.mark.alone("measures memory")

INBOX = BOUNDS["socket.inbox_total"]
DEFLATE = {"Sec-WebSocket-Extensions": "permessage-deflate"}
PIECE = bytes(100_000)


@pytest.fixture(scope="module")
def target(module_system, hanging):
    return Target(module_system, hanging, **bounds())


@pytest.fixture
async def node(target):
    return await target.node()


async def test_frames_that_never_end(node):
    async with attack(node, "half a frame of 900 kB each", INBOX) as row:
        await row.sockets("/plain/")
        await row.write(frame(BINARY, bytes(900_000), missing=1000))


async def test_an_idle_node_returns_its_memory(module_system, hanging):
    """With the allocator's default settings."""
    node = await Target(module_system, hanging, **bounds(), _RJEM_MALLOC_CONF="").node()
    async with attack(node, "a message of 60 kB each", CLIENTS * 60_000) as row:
        await row.sockets("/plain/")
        await row.write(frame(BINARY, bytes(60_000), missing=1000))
    node.stop()


async def test_messages_whose_last_fragment_never_comes(node):
    async with attack(node, "nine fragments of 100 kB each", INBOX) as row:
        await row.sockets("/plain/")
        await row.write(frame(TEXT, PIECE.replace(b"\0", b"x"), fin=False) + 8 * frame(0x0, b"x" * 100_000, fin=False))


async def test_compressed_messages_whose_last_fragment_never_comes(node):
    async with attack(node, "5.4 kB compressed each", INBOX) as row:
        # A first part of a few kilobytes is kept compressed; with the second, all is inflated, to a million bytes.
        squeezed = deflated(bytes(1_000_000) + os.urandom(5000))

        async def shake() -> Raw:
            raw = await Raw.tcp(row.port)
            await raw.write(request(row.port, "/plain/", **DEFLATE))
            status, headers = await raw.head()
            assert status == 101 and "sec-websocket-extensions" in headers
            return raw

        await row.open(shake)
        await row.write(frame(BINARY, squeezed[:2700], fin=False, rsv=4) + frame(0x0, squeezed[2700:5400], fin=False))


async def test_attachments_whose_last_one_never_comes(node):
    async with attack(node, "nine attachments of 100 kB each", INBOX) as row:
        await row.namespaces()
        places = b",".join(b'{"_placeholder":true,"num":%d}' % number for number in range(10))
        await row.write(packet(b'510-["echo",' + places + b"]", *[PIECE] * 9))


async def test_an_upgrade_that_stops_in_its_first_message(node):
    async with attack(node, "half a frame of 900 kB each in a probe", INBOX) as row:
        sessions = await row.open(lambda: polling(row.port))

        async def probe(session) -> None:
            raw = await Raw.open(row.port, f"{BASE}websocket&sid={session.sid}")
            row.raws.append(raw)
            await raw.write(frame(BINARY, bytes(900_000), missing=1000))

        await row.each(probe, sessions)


#: A request without a key is not read at all.
ROUTES = {
    "publish without a key": ("/api/publish", "POST", None, 0),
    "publish": ("/api/publish", "POST", API_KEY, INBOX),
    "disconnect without a key": ("/api/websocket/disconnect", "POST", None, 0),
    "emit without a token": ("/api/websocket/emit/room/x", "POST", None, 0),
    "emit": ("/api/websocket/emit/room/x", "POST", "admin", INBOX),
    "a ws-token": ("/api/user/ws-token/", "GET", None, 0),
    # Bounded by the size of the answers.
    "metrics": ("/metrics", "GET", None, CLIENTS << 16),
    "a path that is not there": ("/nothing", "POST", None, 0),
    "a session that is not there": (f"{BASE}polling&sid=x", "POST", None, 0),
}


@pytest.mark.parametrize("what", ROUTES)
async def test_bodies_that_never_end(node, what):
    path, method, key, bound = ROUTES[what]
    if key == "admin":
        key = mint(token_type="access", jti="x", user_id="1", role="admin")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with attack(node, f"half a body of 0.99 MB each: {what}", bound) as row:
        await row.open(lambda: Raw.tcp(row.port))
        await row.write(post(row.port, path, 990_000, bytes(980_000), method, **headers))


async def test_polling_bodies_that_never_end(node):
    async with attack(node, "half a body of 0.99 MB each to a session", INBOX) as row:
        sessions = await row.open(lambda: polling(row.port))

        async def bring(session) -> None:
            raw = await Raw.tcp(row.port)
            row.raws.append(raw)
            await raw.write(post(row.port, f"{BASE}polling&sid={session.sid}", 990_000, b"x" * 980_000))

        await row.each(bring, sessions)


async def ends(raw: Raw, drip: bytes) -> bool:
    """Whether the node ends a connection within eight seconds if its client sends such a part each half second."""

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


async def test_every_read_of_a_clients_bytes_has_a_deadline(node):
    async def plain(data: bytes) -> Raw:
        raw = await Raw.open(node.port, "/plain/")
        await raw.write(data)
        return raw

    async def attachment() -> Raw:
        raw = await Raw.open(node.port, f"{BASE}websocket")
        await raw.write(packet(b"0") + packet(b'52-["echo",{"_placeholder":true,"num":0}]', b"1"))
        return raw

    async def bare(data: bytes) -> Raw:
        raw = await Raw.tcp(node.port)
        await raw.write(data)
        return raw

    key = {"Authorization": f"Bearer {API_KEY}"}
    alive = frame(PING, b"")
    session = (await polling(node.port)).sid
    # Each start of a message, and the continuation with which the client keeps the connection busy.
    begun = {
        "the head of a frame": (plain(b"\x82\xff\x00"), b""),
        "a frame": (plain(frame(BINARY, b"x", missing=1000)), b"x"),
        "a message of fragments": (plain(frame(TEXT, b"x", fin=False)), alive),
        "a message that grows": (plain(frame(TEXT, b"x", fin=False)), frame(0x0, b"x", fin=False)),
        "a packet without its attachments": (attachment(), alive),
        "a head": (bare(b"GET /plain/ HTTP/1.1\r\n"), b"X: x\r\n"),
        "a body of publish": (bare(post(node.port, "/api/publish", 1000, b"[", **key)), b" "),
        "a body of disconnect": (bare(post(node.port, "/api/websocket/disconnect", 1000, b"{", **key)), b" "),
        "a body for an unknown path": (bare(post(node.port, "/nothing", 1000, b"x")), b"x"),
        "a body of a ws-token": (bare(post(node.port, "/api/user/ws-token/", 1000, b"x", "GET")), b"x"),
        "a polling body": (bare(post(node.port, f"{BASE}polling&sid={session}", 1000, b"4")), b"x"),
    }
    raws = {what: await opening for what, (opening, _) in begun.items()}
    ended = await asyncio.gather(*(ends(raws[what], drip) for what, (_, drip) in begun.items()))
    for raw in raws.values():
        raw.abort()
    waits = [what for what, over in zip(begun, ended, strict=True) if not over]
    assert not waits, waits
