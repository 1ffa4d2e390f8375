"""Which requests become a WebSocket: only GET of HTTP/1.1, without a body (RFC 6455, section 4.2.1; RFC 9110, 7.8).

Daphne is the oracle where it keeps to them. It takes HTTP/1.0 for an upgrade, and a body for frames; we refuse both.
"""

import asyncio
import json

import pytest
import stack
from rig.engine import Polling
from rig.http import Http
from rig.raw import TEXT, Raw, encode, request

RAW = """
presets = ["feed", "attendance", "repair-shop"]
[[consumer]]
name = "raw"
protocol = "engine.io"
path = "/engine.io/"
"""
OPEN = "EIO=4&transport=websocket"
PATHS = {"plain": "/ws/attendance/", "socket.io": f"/socket.io/?{OPEN}", "engine.io": f"/engine.io/?{OPEN}"}


@pytest.fixture(scope="module")
def served(module_system, database):
    module_system.start_django(database, wait=False)
    module_system.start_node(wait=False, config=RAW, CHANNELGATE_ALLOWED_ORIGINS=stack.LOOPBACK)
    module_system.wait()
    module_system.start_nginx(replace={r"^/(ws|socket\.io)/": r"^/(ws|socket\.io|engine\.io)/"})
    return module_system


async def answer(
    port: int, path: str, first: str = "GET {} HTTP/1.1", body: bytes = b"", at_once: bool = False, **more
):
    """The status and headers of a handshake with this first line; the body comes at once, or after the head."""
    raw = await Raw.tcp(port)
    head = request(port, path, Origin=f"http://{stack.LOOPBACK}:{port}", **more)
    head = first.format(path).encode() + head[head.index(b"\r\n") :]
    if at_once:
        head, body = head + body, b""
    await raw.write(head)
    await raw.write(body)
    try:
        return await raw.head()
    finally:
        raw.abort()


async def test_another_method_is_refused_as_under_daphne(served):
    for method in ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get"):
        statuses = {}
        for name, port in {"daphne": served.django.port, "node": served.nodes[0].port}.items():
            statuses[name], headers = await answer(port, PATHS["plain"], method + " {} HTTP/1.1")
        assert statuses == {"daphne": 405, "node": 405}, method
        assert headers["allow"] == "GET"
        for path in (PATHS["socket.io"], PATHS["engine.io"]):
            status, _ = await answer(served.nodes[0].port, path, method + " {} HTTP/1.1")
            # A preflight request is not a handshake.
            assert status == (204 if method == "OPTIONS" else 400), (method, path)
    for path in PATHS.values():
        assert (await answer(served.nodes[0].port, path))[0] == 101, path


async def test_http_1_0_has_no_upgrade(served):
    status, headers = await answer(served.nodes[0].port, PATHS["plain"], "GET {} HTTP/1.0")
    assert (status, headers["upgrade"]) == (426, "websocket")
    for path in (PATHS["socket.io"], PATHS["engine.io"]):
        assert (await answer(served.nodes[0].port, path, "GET {} HTTP/1.0"))[0] == 400, path


@pytest.mark.parametrize("through", ["node", "nginx"])
@pytest.mark.parametrize("protocol", PATHS)
async def test_a_body_announced_with_an_upgrade_is_never_taken_for_frames(served, through, protocol):
    port = (served.nodes[0] if through == "node" else served.nginx).port
    frame = encode(TEXT, json.dumps({"type": "ping"}).encode())
    bodies = [
        ({"Content_Length": str(len(frame))}, frame),
        ({"Content_Length": "1"}, b"x"),
        ({"Transfer_Encoding": "chunked"}, b"%x\r\n%s\r\n0\r\n\r\n" % (len(frame), frame)),
        ({"Transfer_Encoding": "Chunked"}, b"0\r\n\r\n"),
    ]
    for headers, body in bodies:
        for at_once in (True, False):
            status, _ = await answer(port, PATHS[protocol], body=body, at_once=at_once, **headers)
            # nginx passes an empty chunked body on as no body at all.
            empty = through == "nginx" and body == b"0\r\n\r\n"
            assert status == (101 if empty else 400), (headers, at_once)
    assert (await answer(port, PATHS[protocol], Content_Length="0"))[0] == 101


async def test_a_polling_session_is_upgraded_by_a_get_without_a_body_only(served):
    port = served.nodes[0].port
    polling = await Polling.open(port)
    path = f"{PATHS['socket.io']}&sid={polling.sid}"
    assert (await answer(port, path, "POST {} HTTP/1.1"))[0] == 400
    assert (await answer(port, path, "GET {} HTTP/1.0"))[0] == 400
    assert (await answer(port, path, body=b"x", Content_Length="1"))[0] == 400
    assert (await answer(port, path))[0] == 101


@pytest.mark.parametrize("through", ["node", "nginx"])
async def test_upgrade_may_be_a_list_in_any_case(served, through):
    port = (served.nodes[0] if through == "node" else served.nginx).port
    for value in ("websocket", "WebSocket", "websocket, h2c", "h2c,WEBSOCKET", "h2c , websocket , x/1"):
        for path in PATHS.values():
            assert (await answer(port, path, Upgrade=value))[0] == 101, (value, path)
    for value in ("h2c", "websocket2, h2c", "h2c, websocket/13"):
        assert (await answer(port, PATHS["plain"], Upgrade=value))[0] == 426, value


async def test_a_list_of_upgrades_is_read_wherever_a_handshake_begins(served):
    """In pieces, and after another request on the same connection."""
    port = served.nodes[0].port
    head = request(port, PATHS["plain"], Origin=f"http://{stack.LOOPBACK}:{port}", Upgrade="websocket, h2c")
    raw = await Raw.tcp(port)
    for at in range(len(head)):
        await raw.write(head[at : at + 1])
        await asyncio.sleep(0)
    assert (await raw.head())[0] == 101
    raw.abort()
    raw = await Raw.tcp(port)
    await raw.write(f"GET /health/live HTTP/1.1\r\nHost: {stack.LOOPBACK}\r\n\r\n".encode())
    status, headers = await raw.head()
    assert status == 200
    await raw.reader.readexactly(int(headers["content-length"]))
    await raw.write(head)
    assert (await raw.head())[0] == 101
    # It is a WebSocket like any other.
    await raw.frame(TEXT, b'{"type": "ping", "timestamp": 7}')
    assert (await raw.read())[0] == TEXT
    raw.abort()


async def test_paths_are_those_of_django(served):
    """Percent signs are decoded first; case, slashes and dots count."""
    same = [
        "/ws/",
        "/%77s/",
        "/ws%2F",
        "/ws%2fattendance/",
        "//ws/",
        "/WS/",
        "/ws//",
        "/./ws/",
        "/x/../ws/",
        "/%2577s/",
    ]
    same += ["/./ws/", "/ws/%20", "/ws/%", "/ws%00/", "/ws/?a=//", "/ws/?%"]
    ports = (served.django.port, served.nodes[0].port)
    by_daphne, by_node = [await asyncio.gather(*(answer(port, path) for path in same)) for port in ports]
    for path, (daphne, _), (node, _) in zip(same, by_daphne, by_node, strict=True):
        assert (node == 101) == (daphne == 101), path
    web = Http(served.nodes[0].port)
    for path, status in [
        ("/health/%6Cive", 200),
        ("//health/live", 404),
        ("/HEALTH/live", 404),
        ("/health//live", 404),
    ]:
        assert (await web.get(path)).status == status, path
