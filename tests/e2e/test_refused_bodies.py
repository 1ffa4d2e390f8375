"""An answer to a body that is not read arrives, however the body is sent, directly and through nginx.

A server that closes with bytes unread makes the kernel send a reset, which throws away the answer: nginx then says 502.
"""

import asyncio
import concurrent.futures
import socket
import time

import jwt
import pytest
import stack
from rig.engine import Polling
from rig.system import API_KEY

#: Of 30 requests, 30 get the answer.
TIMES = 30


def chunked(body: bytes, size: int = 65536) -> list[bytes]:
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return [b"%x\r\n%s\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]


def post(port: int, path: str, form: str, size: int, headers: dict[str, str]) -> tuple[int, bytes]:
    """Sends a body in this form, reads the answer only after all of it, and returns status and headers."""
    body = b"x" * size
    version = "1.0" if form == "http/1.0" else "1.1"
    lines = {"Host": f"{stack.LOOPBACK}:{port}", **headers}
    lines |= {"Transfer-Encoding": "chunked"} if form == "chunked" else {"Content-Length": str(size)}
    if form == "expect":
        lines["Expect"] = "100-continue"
    head = "".join([f"POST {path} HTTP/{version}\r\n", *(f"{name}: {value}\r\n" for name, value in lines.items())])
    with socket.create_connection((stack.LOOPBACK, port), timeout=20) as connection:
        connection.sendall(head.encode() + b"\r\n")
        answers = connection.makefile("rb")
        if form == "expect" and (first := read_head(answers))[0] != 100:
            return first
        match form:
            case "chunked":
                for part in chunked(body):
                    connection.sendall(part)
            case "slowly":
                for at in range(0, size, size // 20):
                    connection.sendall(body[at : at + size // 20])
                    time.sleep(0.02)  # the pace of a slow client
            case _:
                connection.sendall(body)
        return read_head(answers)


def read_head(answers) -> tuple[int, bytes]:
    head = b"".join(iter(answers.readline, b"\r\n"))
    return int(head.split(b" ", 2)[1]), head


async def statuses(port: int, path: str, form: str, size: int, **headers: str) -> set[int]:
    loop = asyncio.get_running_loop()
    with concurrent.futures.ThreadPoolExecutor(TIMES) as threads:
        posts = (loop.run_in_executor(threads, post, port, path, form, size, headers) for _ in range(TIMES))
        return {status for status, _ in await asyncio.gather(*posts)}


@pytest.fixture(scope="module")
def served(module_system):
    # A session is opened before the bodies are sent, and must be there after them.
    patient = {"CHANNELGATE__SOCKETIO__CONNECT_TIMEOUT": "60s", "CHANNELGATE__SOCKETIO__POLL_TIMEOUT": "60s"}
    module_system.start_node(**patient)
    # The publish API is not public behind nginx; here it is, to see its answers pass.
    public = {"(user/ws-token/?$|websocket/)": "(user/ws-token/?$|websocket/|publish$)"}
    module_system.start_nginx(replace=public)
    return module_system


FORMS = ["whole", "chunked", "expect", "http/1.0", "slowly"]


@pytest.mark.parametrize("through", ["nginx", "direct"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_body_that_is_too_large_gets_413_30_of_30(served, through, form):
    port = (served.nginx if through == "nginx" else served.nodes[0]).port
    polling = await Polling.open(served.nodes[0].port)
    claims = {"token_type": "access", "user_id": 1, "role": "admin", "exp": int(time.time()) + 60, "jti": "x"}
    admin = {"Authorization": f"Bearer {jwt.encode(claims, stack.SECRET_KEY, 'HS256')}"}
    key = {"Authorization": f"bearer {API_KEY}"}
    size = 1_100_000
    for path, headers in [
        (f"/socket.io/?EIO=4&transport=polling&sid={polling.sid}", {}),
        ("/api/publish", key),
        ("/api/websocket/emit/1", admin),
        ("/api/websocket/disconnect", key),
    ]:
        assert await statuses(port, path, form, size, **headers) == {413}, path
    # The session goes on.
    await polling.join()


@pytest.mark.parametrize("through", ["nginx", "direct"])
@pytest.mark.parametrize("form", ["whole", "chunked"])
async def test_every_other_answer_to_an_unread_body_arrives_too(served, through, form):
    port = (served.nginx if through == "nginx" else served.nodes[0]).port
    for path, expected in [
        ("/api/publish", 401),
        ("/api/websocket/emit/1", 401),
        ("/api/websocket/nothing", 404),
        ("/api/websocket/stats", 405),
        ("/socket.io/?EIO=4&transport=polling&sid=none", 400),
        ("/ws/", 426),
    ]:
        assert await statuses(port, path, form, 1_500_000) == {expected}, path


async def test_a_body_without_an_end_holds_its_connection_for_body_timeout_only(system):
    node = system.start_node(CHANNELGATE__SERVER__BODY_TIMEOUT="500ms")
    for announced, piece in [("Transfer-Encoding: chunked", b"5\r\nxxxxx\r\n"), ("Content-Length: 99999999999", b"x")]:
        for path in ("/api/publish", "/nothing", "/ws/"):
            reader, writer = await asyncio.open_connection(stack.LOOPBACK, node.port)
            writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\n{announced}\r\n\r\n".encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 4"), path
            async with asyncio.timeout(10):
                try:
                    while True:
                        writer.write(piece)
                        await writer.drain()
                        await asyncio.sleep(0.01)
                except ConnectionError:
                    pass


async def test_a_client_that_sends_what_nobody_reads_does_not_delay_a_drain(system):
    """Its answer is on its way: `server.body_timeout` (10 s) is for a client that still sends it."""
    node = system.start_node(CHANNELGATE__SERVER__DRAIN_GRACE="20s")
    reader, writer = await asyncio.open_connection(stack.LOOPBACK, node.port)
    writer.write(b"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\nx")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401")
    began = time.monotonic()
    node.ask()
    assert await asyncio.to_thread(node.process.wait, 20) == 0
    assert time.monotonic() - began < 9, "the drain waited for it"
    writer.close()
