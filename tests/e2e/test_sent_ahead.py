"""Requests that a client sends without waiting for answers (pipelining, RFC 9112, section 9.3.2).

They wait in the kernel; each gets its answer, in order, and no body is taken for a head.
"""

import asyncio
import time

import pytest
import stack
from rig.client import DEADLINE
from rig.deadline import in_time
from rig.log import whole_log
from rig.system import API_KEY


@pytest.fixture(scope="module")
def port(module_system):
    return module_system.start_node().port


async def answers(port: int, pieces: list[bytes], count: int) -> list[tuple[int, bytes]]:
    """The statuses and bodies of this many answers to requests in these pieces."""
    reader, writer = await asyncio.open_connection(stack.LOOPBACK, port)

    async def send() -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05 if len(pieces) < 10 else 0)  # so that a piece arrives by itself

    sending = asyncio.create_task(send())
    found = []
    for _ in range(count):
        head = await in_time(DEADLINE, reader.readuntil(b"\r\n\r\n"))
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        found.append((int(head.split(b" ")[1]), await in_time(DEADLINE, reader.readexactly(int(length[15:])))))
    await sending
    writer.close()
    return found


def post(body: bytes) -> bytes:
    head = f"POST /api/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n"


async def test_each_gets_its_answer_in_order(port):
    requests = [f"GET /n{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for number in range(1500)]
    for pieces in (requests, [b"".join(requests)]):
        found = await answers(port, pieces, len(requests))
        assert [body.decode() for _, body in found] == [
            f'{{"detail":"nothing is served at /n{number}"}}' for number in range(len(requests))
        ]


async def test_a_body_is_never_taken_for_a_head(port):
    """Ones that begin like a head, behind another request or a first part of themselves, and larger than one read."""
    get = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    event = b'{"group":"news","event":{"type":"x","text":"%s"}}'
    for before in (b"", get):
        # Not JSON: 400 if all of it has arrived.
        for body in (b"GET " + b"x" * 3000, b"GET / HTTP/1.1\r\nUpgrade: websocket, h2c\r\n\r\n", b"G" * 60_000):
            for pieces in ([before + post(body), body], [before + post(body) + body[:3], body[3:]]):
                expected = [200, 400] if before else [400]
                found = await answers(port, pieces, len(expected))
                assert [status for status, _ in found] == expected, (before, body[:20])
    body = event % (b"GET / HTTP/1.1\r\nUpgrade: websocket, h2c\r\n\r\n".replace(b"\r\n", b"\\r\\n") * 5000)
    found = await answers(port, [get + post(body), body, get], 3)
    assert [status for status, _ in found] == [200, 200, 200]


async def test_malformed_requests_do_not_fill_the_log(module_system, port):
    """Anybody can send them, as often as they like; each has its answer."""
    node = module_system.nodes[0]
    before, began = len(whole_log(node).splitlines()), time.monotonic()
    for _ in range(20):
        for head, status in [
            (b"GET / HTTP/1.1\r\nX: \x01\r\n\r\n", b"400"),
            (b"GET / HTTP/9.9\r\n\r\n", b"400"),
            (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
            (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 140_000, b"431"),
        ]:
            reader, writer = await asyncio.open_connection(stack.LOOPBACK, port)
            writer.write(head)
            assert (await in_time(DEADLINE, reader.readline())).split()[1] == status, head[:40]
            writer.close()
    written = whole_log(node).splitlines()[before:]
    # Of each kind one line in ten seconds.
    assert len(written) < 10 * (1 + (time.monotonic() - began) // 10), written[:10]
