"""Hostile or broken clients: they are closed properly, and other clients are not affected."""

import asyncio
import contextlib
import resource

import pytest
from rig.client import Client, until
from rig.deadline import in_time
from rig.http import Http
from rig.memory import memory
from rig.raw import BINARY, CLOSE, PING, PONG, TEXT, Raw, encode, request

UTF8 = "ü".encode()
DEEP = b"[" * 200_000


@pytest.fixture
def node(system):
    return system.start_node()


async def undisturbed(system, node) -> None:
    """Others still connect, send and receive."""
    client = await Client.open(node.port, "/ws/attendance/")
    await client.send({"type": "ping", "timestamp": 1})
    async with system.publisher() as publisher:
        await publisher.group_send("attendance_updates", {"type": "attendance_update", "data": 1})
    frames = await client.count(3)
    assert {"type": "pong", "timestamp": 1} in frames and {"type": "attendance_update", "data": 1} in frames
    await client.close()


VIOLATIONS = {
    "unmasked": (encode(TEXT, b"{}", mask=False), 1002),
    "reserved opcode": (encode(0x3, b""), 1002),
    "reserved control opcode": (encode(0xB, b""), 1002),
    "reserved bit 1 without deflate": (encode(TEXT, b"{}", rsv=4), 1002),
    "reserved bit 2": (encode(TEXT, b"{}", rsv=2), 1002),
    "continuation of nothing": (encode(0x0, b"{}"), 1002),
    "a new message inside another": (encode(TEXT, b"a", fin=False) + encode(TEXT, b"b"), 1002),
    "fragmented ping": (encode(PING, b"", fin=False), 1002),
    "ping of 126 bytes": (encode(PING, bytes(126)), 1002),
    "close with one byte": (encode(CLOSE, b"\x03"), 1002),
    "close with a forbidden code": (encode(CLOSE, b"\x03\xed"), 1002),
    "close with invalid UTF-8": (encode(CLOSE, b"\x03\xe8\xff"), 1007),
    "invalid UTF-8": (encode(TEXT, b"\xff"), 1007),
    "UTF-8 cut at the end": (encode(TEXT, UTF8[:1]), 1007),
    "invalid UTF-8 in a first fragment": (encode(TEXT, b"ok\xff", fin=False), 1007),
    "a surrogate": (encode(TEXT, b"\xed\xa0\x80"), 1007),
    "one byte over the limit": (encode(TEXT, b"x" * (1024 * 1024 + 1)), 1009),
    "a length of 2^62": (bytes([0x81, 0xFF]) + (1 << 62).to_bytes(8, "big") + bytes(4), 1009),
    "over the limit in fragments": (
        encode(BINARY, bytes(600_000), fin=False) + encode(0x0, bytes(600_000), fin=False),
        1009,
    ),
}


@pytest.mark.parametrize("path", ["/ws/", "/ws/attendance/"])
async def test_a_violation_of_the_protocol_is_closed_with_its_code(system, node, path):
    for what, (data, code) in VIOLATIONS.items():
        raw = await Raw.open(node.port, path)
        with contextlib.suppress(ConnectionError):
            await raw.write(data)
        assert await raw.close_code() == code, what
        raw.abort()
    await undisturbed(system, node)


async def test_unusual_but_valid_frames_are_handled(node):
    raw = await Raw.open(node.port, "/ws/attendance/")
    assert (await raw.read())[0] == TEXT
    # A character cut by fragments, a ping in between, empty fragments, and every byte in a separate packet.
    await raw.frame(TEXT, b'{"type": "ping", "timestamp": "' + UTF8[:1], fin=False)
    await raw.frame(PING, b"between")
    await raw.frame(0x0, b"", fin=False)
    await raw.frame(0x0, UTF8[1:] + b'"}')
    assert await raw.read() == (PONG, b"between")
    opcode, payload = await raw.read()
    assert opcode == TEXT and '"ü"' in payload.decode().replace("\\u00fc", "ü")
    for byte in encode(TEXT, b'{"type":"ping","timestamp":7}'):
        await raw.write(bytes([byte]))
    assert (await raw.read())[1].replace(b" ", b"") == b'{"type":"pong","timestamp":7}'
    await raw.frame(PONG, b"unasked")
    await raw.frame(CLOSE, b"\x0f\xa0why")
    assert (await raw.read())[0] == CLOSE
    await raw.ended()


async def test_a_message_of_exactly_the_limit_is_accepted(node):
    raw = await Raw.open(node.port, "/ws/attendance/")
    head, tail = b'{"type": "ping", "timestamp": "', b'"}'
    await raw.frame(TEXT, head + b"x" * (1024 * 1024 - len(head) - len(tail)) + tail)
    assert (await raw.read())[0] == TEXT
    opcode, payload = await raw.read()
    assert opcode == TEXT and len(payload) > 1_000_000
    raw.abort()


async def test_hostile_json_is_ignored(system, node):
    client = await Client.open(node.port, "/ws/attendance/")
    for text in (DEEP.decode(), '{"a":' * 100_000, "9" * 400_000, '{"type": "ping", "type": "x"}', '"\\ud800"'):
        await client.send(text)
    await client.send({"type": "ping", "timestamp": "after"})
    await client.wait(lambda client: {"type": "pong", "timestamp": "after"} in client.json(), "the last pong")
    await client.close()
    await undisturbed(system, node)


async def test_ten_thousand_subscribe_types_are_bounded(system, node, database):
    system.start_django(database)
    api = Http(system.django.port)
    login = {"username": "hostile", "password": "correct horse"}
    await api.post("/api/user/register/", data=login)
    access = (await api.post("/api/token/", data=login)).json()["access"]
    token = (await Http(node.port).get("/api/user/ws-token/", token=access)).json()["ws_token"]
    path = f"/ws/notifications/?token={token}"
    before = memory(node)
    for _ in range(20):
        raw = await Raw.open(node.port, path)
        names = ",".join(f'"type_{number}_{"x" * 80}"' for number in range(10_000))
        await raw.frame(TEXT, f'{{"type": "subscribe", "notification_types": [{names}]}}'.encode())
        assert await raw.close_code() == 1008
        raw.abort()
    # Many small ones have the same result.
    raw = await Raw.open(node.port, path)
    with contextlib.suppress(ConnectionError):
        for number in range(10_000):
            await raw.frame(TEXT, f'{{"type": "subscribe", "notification_types": ["t{number}"]}}'.encode())
    assert await raw.close_code() in (1008, None)
    raw.abort()
    assert memory(node) - before < 64 << 20
    await undisturbed(system, node)


async def test_a_slow_reader_is_closed_with_1013_and_delays_no_other(system):
    node = system.start_node(
        CHANNELGATE__SOCKET__OUTBOX="262144",
        CHANNELGATE__SOCKET__SEND_BUFFER="65536",
        CHANNELGATE__SERVER__DRAIN_GRACE="60s",  # also the time limit for reading its Close
    )
    quick = [await Client.open(node.port, "/ws/") for _ in range(5)]
    slow = [await Raw.open(node.port, "/ws/", limit=2**10) for _ in range(5)]
    before = memory(node)
    text = "x" * 50_000
    async with system.publisher() as publisher:
        for number in range(60):
            data = {"number": number, "text": text}
            await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": data})
            # A client that reads gets everything at once, regardless of the others.
            for client in quick:
                await client.count_of(number + 1)
    # Another worker may have one of them.
    slow_ones = lambda: system.metric(node, "channelgate_drops_total", reason="slow_client")  # noqa: E731
    await until(lambda: slow_ones() >= 5, "the slow ones to be closed")
    assert memory(node) - before < 32 << 20
    for client in quick:
        assert [frame["data"]["number"] for frame in client.json()] == list(range(60))
        await client.close()
    for raw in slow:
        # Unread data is still in transit; after it comes the reason.
        assert await raw.close_code() == 1013
        raw.abort()


async def test_a_flood_of_headers_is_refused(system, node):
    port = node.port
    floods = {
        "a long line": b"GET /ws/ HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 2_000_000,
        "many lines": b"GET /ws/ HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100_000)),
        "a long path": b"GET /" + b"a" * 2_000_000,
    }
    for what, data in floods.items():
        raw = await Raw.tcp(port)
        status = None
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await raw.write(data + b"\r\n\r\n")
            status, _ = await raw.head()
        assert status is None or 400 <= status < 500, (what, status)
        with contextlib.suppress(ConnectionError):
            await raw.ended()
        raw.abort()
    await undisturbed(system, node)


HANDSHAKES = {
    "another version": ({"Sec_WebSocket_Version": "8"}, {400, 426}),
    "no key": ({"Sec_WebSocket_Key": ""}, {400}),
    "a short key": ({"Sec_WebSocket_Key": "AAAA"}, {400}),
    "no upgrade": ({"Upgrade": "h2c"}, {400, 404, 426}),
    "no connection": ({"Connection": "close"}, {400, 404, 426}),
}


async def test_a_broken_handshake_is_a_4xx(system, node):
    for what, (headers, statuses) in HANDSHAKES.items():
        raw = await Raw.tcp(node.port)
        await raw.write(request(node.port, "/ws/", **headers))
        status, _ = await raw.head()
        assert status in statuses, (what, status)
        raw.abort()
    raw = await Raw.tcp(node.port)
    await raw.write(request(node.port, "/nowhere/"))
    assert (await raw.head())[0] == 404
    raw.abort()
    assert (await Http(node.port).get("/ws/")).status in (400, 404, 426)
    await undisturbed(system, node)


@pytest.mark.alone("needs the cores for 5,000 sockets, and bounds what others wait")
async def test_five_thousand_half_open_handshakes_end_and_disturb_no_other(system):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 5000
    if hard != resource.RLIM_INFINITY and hard < wanted + 500:
        pytest.skip(f"only {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 500), hard))
    node = system.start_node(CHANNELGATE__SERVER__HANDSHAKE_TIMEOUT="3s")
    before = memory(node)
    half = []
    for start in range(0, wanted, 250):
        half += await asyncio.gather(*(Raw.tcp(node.port) for _ in range(start, start + 250)))
    for number, raw in enumerate(half):
        # A third sends nothing, a third half a line, a third everything but the end.
        data = request(node.port, "/ws/")
        await raw.write([b"", data[:9], data[:-2]][number % 3])
    await undisturbed(system, node)
    assert memory(node) - before < 200 << 20
    await in_time(40, asyncio.gather(*(raw.ended(30) for raw in half)))
    for raw in half:
        raw.abort()
    await undisturbed(system, node)


async def test_pipelined_bytes_after_the_handshake_are_not_lost(node):
    raw = await Raw.tcp(node.port)
    message = encode(TEXT, b'{"type": "ping", "timestamp": 5}')
    await raw.write(request(node.port, "/ws/attendance/") + message + message)
    assert (await raw.head())[0] == 101
    texts = [(await raw.read())[1].replace(b" ", b"") for _ in range(3)]
    assert texts[1:] == [b'{"type":"pong","timestamp":5}'] * 2
    raw.abort()


@pytest.mark.alone("floods a node, and bounds what others wait")
async def test_a_flood_of_messages_and_pings_disturbs_no_other(system, node):
    floods = [await Raw.open(node.port, "/ws/attendance/") for _ in range(10)]
    before = memory(node)
    batch = (encode(TEXT, b"x") + encode(PING, b"y" * 100) + encode(TEXT, b'{"type":"ping"}')) * 300
    for _ in range(10):
        for raw in floods:
            # Without reading: pending answers may not pile up without limit.
            with contextlib.suppress(ConnectionError, TimeoutError):
                raw.writer.write(batch)
        await undisturbed(system, node)
    assert memory(node) - before < 64 << 20
    for raw in floods:
        raw.abort()
    await until(lambda: system.metric(node, "channelgate_connections") == 0, "all connections to be gone")


async def test_a_client_that_answers_no_ping_is_closed_and_one_that_does_stays(system):
    node = system.start_node(CHANNELGATE__SOCKET__PING_INTERVAL="2s", CHANNELGATE__SOCKET__PING_TIMEOUT="5s")
    lives = await Client.open(node.port, "/ws/")
    dead = await Raw.open(node.port, "/ws/")
    assert (await dead.read(30))[0] == PING
    await dead.ended()
    dead.abort()
    for _ in range(2):
        # Another one comes and goes while the first, which answers, stays.
        raw = await Raw.open(node.port, "/ws/")
        assert (await raw.read(30))[0] == PING
        raw.abort()
    assert lives.closed is None
    async with system.publisher() as publisher:
        await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": 1})
        assert await lives.count(1) == [{"event": "n", "data": 1}]
    await lives.close()
