"""`server.proxy`: a node passes what is not its own on to Django, so that one port serves a page and its sockets."""

import asyncio
import contextlib
import hashlib
import http.client
import json
import re
import signal
from pathlib import Path

import pytest
import stack
from rig.behind import Behind
from rig.client import DEADLINE, Client, refusal, until
from rig.http import Http
from rig.raw import Raw
from rig.system import API_KEY
from websockets.asyncio.server import serve

MIB = 1 << 20


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The project under Daphne and under runserver, each behind a node."""
    places = {name: Behind(tmp_path_factory.mktemp(name), name) for name in ("daphne", "runserver")}
    try:
        for place in places.values():
            place.django.start()
            place.node()
        for place in places.values():
            place.django.wait()
            place.nodes[0].wait()
        yield places
    finally:
        for place in places.values():
            place.stop()


@pytest.fixture(params=["daphne", "runserver"])
def place(both, request):
    """Each of them."""
    return both[request.param]


@pytest.fixture
def daphne(both):
    """The one with streams and sockets of its own."""
    return both["daphne"]


@pytest.fixture
def own(tmp_path):
    """One that a test may kill; nothing is started."""
    one = Behind(tmp_path, "daphne")
    yield one
    one.stop()


async def test_a_page_its_files_and_its_form_work_on_the_port_of_the_node(place):
    client, origin = Http(place.nodes[0].port), f"http://{stack.LOOPBACK}:{place.nodes[0].port}"
    page = await client.get("/")
    assert page.status == 200 and b"A project" in page.body
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)[1].decode()
    cookie = re.match(r"csrftoken=\w+", page.headers["set-cookie"])[0]
    # Django compares the origin of the page with its host, which is the node's.
    form = {
        "body": f"csrfmiddlewaretoken={token}&name=J%C3%BCrgen".encode(),
        "headers": {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie, "Origin": origin},
    }
    answer = await client.post("/", **form)
    assert (answer.status, answer.body.decode()) == (200, "Hello Jürgen")
    assert (await client.post("/", body=b"name=x")).status == 403
    style = await client.get("/static/behind/site.css")
    assert (style.status, style.body) == (200, b"body { color: #123456; }\n")
    unchanged = {"If-Modified-Since": style.headers["last-modified"]}
    assert (await client.get("/static/behind/site.css", headers=unchanged)).status == 304
    head = await client.request("HEAD", "/static/behind/site.css")
    assert (head.status, head.headers["content-length"], head.body) == (200, "25", b"")
    missing = await client.get("/no/such/page/")
    assert missing.status == 404 and b"<html" in missing.body.lower()


async def test_the_routes_of_the_node_and_its_consumers_stay_its_own(place):
    node = place.nodes[0]
    client = Http(node.port)
    before = len(place.notes())
    for path, status, media in [
        ("/health/ready", 200, "application/json"),
        ("/metrics", 200, "text/plain"),
        ("/page/", 200, "text/html"),
        ("/page/consumers", 200, "application/json"),
        ("/api/tail", 401, "application/json"),
        ("/api/websocket/stats", 401, "application/json"),
        ("/api/websocket/no-such-thing", 404, "application/json"),
        # A request at the path of a consumer that is not a handshake.
        ("/ws/", 426, "application/json"),
    ]:
        answer = await client.get(path)
        assert answer.status == status and answer.headers["content-type"].startswith(media), (path, answer)
    assert b"Channelgate" in (await client.get("/page/")).body
    assert b"A project" in (await client.get("/")).body
    socket = await Client.open(node.port, "/ws/")
    await socket.send("hello")
    await socket.count_of(1)
    event = {"group": "all", "event": {"type": "news", "text": "x"}}
    assert (await client.post("/api/publish", data=event, token=API_KEY)).status == 200
    await socket.count_of(2)
    assert socket.frames == ["hello", '{"type":"news","text":"x"}']
    await socket.close()
    assert len(place.notes()) == before, "nothing of this reached Django"


def peak(part: stack.Part) -> int:
    """The most memory that a process had since `forget_peak`, in bytes."""
    status = Path(f"/proc/{part.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def forget_peak(part: stack.Part) -> int:
    Path(f"/proc/{part.pid}/clear_refs").write_text("5")
    return peak(part)


def upload(port: int, pieces, length: int | None) -> dict:
    """Uploads without collecting; without a length in chunks."""
    connection = http.client.HTTPConnection(stack.LOOPBACK, port, timeout=20)
    headers = {"Content-Length": str(length)} if length else {"Transfer-Encoding": "chunked"}
    with contextlib.closing(connection):
        connection.request("POST", "/upload/", pieces, headers, encode_chunked=length is None)
        return json.loads(connection.getresponse().read())


def digest_of(port: int, path: str) -> tuple[int, str]:
    """Downloads without collecting: the size, and the hash."""
    connection = http.client.HTTPConnection(stack.LOOPBACK, port, timeout=20)
    digest, size = hashlib.sha256(), 0
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        while piece := response.read(MIB):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


async def test_20_mib_pass_both_ways_unchanged_and_the_node_collects_nothing(place):
    node, block = place.nodes[0], bytes(range(256)) * 4096
    expected = hashlib.sha256(block * 20).hexdigest()
    before = forget_peak(node)
    for length in (20 * MIB, None):
        if length is None and place.django.name == "runserver":
            # It reads no chunks.
            continue
        told = await asyncio.to_thread(upload, node.port, iter([block] * 20), length)
        assert told == {"size": 20 * MIB, "sha256": expected}, length
    for query in ("?length", ""):
        size, digest = await asyncio.to_thread(digest_of, node.port, f"/download/{20 * MIB}/{query}")
        assert (size, digest) == (20 * MIB, expected), query
    assert peak(node) - before < 8 * MIB


async def test_a_client_that_does_not_read_makes_django_wait(daphne):
    node = daphne.nodes[0]
    before = forget_peak(node)
    raw = await Raw.tcp(node.port, limit=2**10)
    await raw.write(b"GET /download/%d/ HTTP/1.1\r\nHost: localhost\r\n\r\n" % (200 * MIB))
    assert (await raw.head())[0] == 200
    raw.writer.transport.pause_reading()
    assert (await Http(node.port).get("/seen/")).status == 200
    assert peak(node) - before < 8 * MIB
    raw.abort()


async def test_events_arrive_one_by_one_and_the_stream_ends_with_its_client(daphne):
    raw = await Raw.tcp(daphne.nodes[0].port)
    await raw.write(b"GET /events/reader/ HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
    status, headers = await raw.head()
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    for number in (1, 2, 3):
        async with asyncio.timeout(DEADLINE):
            chunk = await raw.reader.readuntil(b"\n\n\r\n")
        assert chunk.endswith(b"data: %d\n\n\r\n" % number)
    raw.abort()
    await until(lambda: "reader left the events" in daphne.notes(), "Django to learn that the reader has gone")


async def test_a_request_ends_in_django_when_its_client_goes(daphne):
    raw = await Raw.tcp(daphne.nodes[0].port)
    await raw.write(b"GET /never/visitor/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(lambda: "visitor waits" in daphne.notes(), "the request to arrive")
    raw.abort()
    await until(lambda: "visitor left" in daphne.notes(), "Django to learn that the visitor has gone")


async def test_a_websocket_of_a_path_that_stays_with_django_works_to_its_end(daphne):
    port = daphne.nodes[0].port
    client = await Client.open(port, "/live/ann/", subprotocols=["chat", "board"])
    assert client.connection.subprotocol == "board"
    await client.send("x" * 300_000)
    await client.send(b"\x00\xff" * 1000)
    await client.count_of(2)
    assert client.frames == ["x" * 300_000, b"\x00\xff" * 1000]
    await client.send("headers")
    await client.count_of(3)
    assert f"host: {stack.LOOPBACK}:{port}" in client.frames[2]
    assert f"x-forwarded-for: {stack.LOOPBACK}" in client.frames[2]
    await client.send("close")
    assert (await client.gone())[0] == 4001
    second = await Client.open(port, "/live/bob/")
    await second.connection.close(4002)
    await until(lambda: "bob left with 4002" in daphne.notes(), "Django to get the close code")
    assert await refusal(port, "/live/stranger/") == 403
    assert await refusal(port, "/live/nobody/at/all/") != 101


async def test_compression_is_agreed_between_the_client_and_the_server(own):
    """Daphne has none, so this is another server; the node neither answers the offer nor looks into the frames."""

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async with serve(echo, stack.LOOPBACK, 0, compression="deflate") as server:
        port = server.sockets[0].getsockname()[1]
        node = own.node(f"http://{stack.LOOPBACK}:{port}").wait()
        client = await Client.open(node.port, "/live/", compression="deflate")
        assert [extension.name for extension in client.connection.protocol.extensions] == ["permessage-deflate"]
        await client.send("x" * 300_000)
        await client.count_of(1)
        assert client.frames == ["x" * 300_000]
        await client.close()


async def test_redirects_and_cookies_reach_the_client_as_django_wrote_them(place):
    port = place.nodes[0].port
    raw = await Raw.tcp(port)
    await raw.write(f"GET /redirect/ HTTP/1.1\r\nHost: {stack.LOOPBACK}:{port}\r\n\r\n".encode())
    text = (await raw.reader.readuntil(b"\r\n\r\n")).decode()
    assert text.startswith("HTTP/1.1 302 ")
    assert f"location: http://{stack.LOOPBACK}:{port}/seen/\r\n" in text
    cookies = re.findall(r"(?m)^set-cookie: (.*?)\r$", text)
    assert cookies == [
        "first=1; HttpOnly; Path=/",
        "second=2; Path=/; SameSite=Lax",
    ]
    raw.abort()


async def test_a_server_that_is_away_is_named_and_found_again(own):
    own.django.start().wait()
    node = own.node().wait()
    socket = await Client.open(node.port, "/live/dan/")
    assert (await Http(node.port).get("/seen/")).status == 200
    own.django.kill()
    assert (await socket.gone())[0] == 1006
    away = await Http(node.port).get("/")
    assert (away.status, away.headers["content-type"]) == (502, "text/plain; charset=utf-8")
    for part in (f'server.proxy = "{own.url}"', "Connection refused", f"manage.py runserver {own.port}"):
        assert part in away.body.decode()
    assert await refusal(node.port, "/live/dan/") == 502
    assert await refusal(node.port, "/ws/") == 101, "consumers of the node need no Django"
    own.django.start().wait()
    assert (await Http(node.port).get("/seen/")).status == 200


async def test_a_stop_ends_what_is_open_and_does_not_wait_for_it(daphne, own):
    node = own.node(daphne.url, CHANNELGATE__SERVER__DRAIN_GRACE="30s").wait()
    socket = await Client.open(node.port, "/live/eve/")
    raw = await Raw.tcp(node.port)
    await raw.write(b"GET /events/eve/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await raw.head())[0] == 200
    waiting = await Raw.tcp(node.port)
    await waiting.write(b"GET /never/eve/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(lambda: "eve waits" in daphne.notes(), "the request to arrive")
    # As a browser keeps its connection open for the next page.
    idle = await Raw.tcp(node.port)
    await idle.write(b"GET /seen/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await idle.head())[0] == 200
    node.signal(signal.SIGTERM)
    # Less than the grace, for each of them.
    async with asyncio.timeout(20):
        assert (await socket.gone())[0] == 1006
        await raw.ended()
        assert (await waiting.head())[0] == 503
        await waiting.ended()
        await idle.ended()
        assert await asyncio.to_thread(node.join, 20) == 0
    await until(lambda: "eve left the events" in daphne.notes(), "Django to learn of it")


async def test_a_reload_changes_where_requests_go(both, tmp_path):
    daphne, runserver = both["daphne"], both["runserver"]
    own = Behind(tmp_path, "daphne")
    node = own.node(daphne.url).wait()
    client = Http(node.port)
    try:
        assert (await client.get("/")).headers["server"] == "daphne"
        socket = await Client.open(node.port, "/live/fay/")
        own.config("node0", runserver.url)
        node.signal(signal.SIGHUP)

        async def is_served_by(name: str) -> bool:
            return name in (await client.get("/")).headers["server"]

        await until(lambda: is_served_by("WSGIServer"), "the new server")
        await socket.send("still there")
        await socket.count_of(1)
        await socket.close()
        own.config("node0", None)
        node.signal(signal.SIGHUP)
        await until(lambda: is_served_by("channelgate"), "no other server")
        assert b"Channelgate" in (await client.get("/")).body
        assert (await client.get("/seen/")).status == 404
        await until(lambda: "server.proxy: removed" in node.log.read_text(), "the line about the reload")
    finally:
        own.stop()


async def answers_to(port: int, data: bytes, count: int = 1) -> list[int]:
    """The statuses of all answers to these bytes; `count` of them are waited for before the client ends its side."""
    raw = await Raw.tcp(port)
    await raw.write(data)
    received = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(DEADLINE):
            while piece := await raw.reader.read(65536):
                received += piece
                if received.count(b"HTTP/1.1 ") >= count and raw.writer.can_write_eof():
                    raw.writer.write_eof()
    raw.abort()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", received)]


HOST = b"Host: localhost\r\n"
INNER = b"GET /seen/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


#: Requests with two ends, or of which it is in doubt whom they are for.
DOUBTFUL = {
    "two framings": b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    "two lengths": b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(INNER) + INNER,
    "a coding after chunked": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + INNER,
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + INNER,
    "a hidden coding": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + INNER,
    "a length with a sign": b"Content-Length: +%d\r\n\r\n" % len(INNER) + INNER,
    "a space before the colon": b"Content-Length : %d\r\n\r\n" % len(INNER) + INNER,
    "two hosts": b"Host: localhost\r\n\r\n",
    "half a line end": b"X: a\rb\r\n\r\n",
    "a handshake with a body": b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: %d\r\n\r\n" % len(INNER)
    + INNER,
}
DOUBTFUL = {name: b"POST /seen/a HTTP/1.1\r\n" + HOST + rest for name, rest in DOUBTFUL.items()} | {
    "no host": b"GET /seen/a HTTP/1.1\r\n\r\n",
    "another host in the target": b"GET http://evil.example/seen/a HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space in the target": b"GET /seen/a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "connect": b"CONNECT localhost:22 HTTP/1.1\r\n" + HOST + b"\r\n",
    "trace": b"TRACE /seen/a HTTP/1.1\r\n" + HOST + b"\r\n",
}


def requests(place: Behind) -> list[str]:
    """The requests that the project has noted; that a client has gone is noted some time later."""
    return [note for note in place.notes() if note.split(" ")[0] in ("GET", "POST", "CONNECT", "TRACE")]


async def test_a_request_whose_end_is_in_doubt_reaches_no_server(daphne):
    port, before = daphne.nodes[0].port, len(requests(daphne))
    answers = {name: await answers_to(port, data) for name, data in DOUBTFUL.items()}
    expected = {name: [501 if name in ("connect", "trace") else 400] for name in DOUBTFUL}
    assert answers == expected
    assert (await Http(port).get("/seen/after")).status == 200
    assert requests(daphne)[before:] == ["GET /seen/after"]


async def test_requests_that_follow_each_other_stay_apart(place):
    """The body of one is never the head of the next, in any framing."""
    before = len(requests(place))
    inner = b"GET /seen/inner HTTP/1.1\r\nHost: localhost\r\n\r\n"
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)
    sent = [
        b"POST /seen/1 HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(inner) + inner,
        b"POST /seen/2 HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk,
        b"GET /seen/3 HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    ]
    assert await answers_to(place.nodes[0].port, b"".join(sent), 3) == [200, 200, 200]
    assert requests(place)[before:] == ["POST /seen/1", "POST /seen/2", "GET /seen/3"]
    # Django's own server reads no chunks.
    for data in sent[: 2 if place.django.name == "daphne" else 1]:
        assert (await ask(place.nodes[0].port, data))["body"] == inner.decode()


async def test_strange_but_valid_requests_reach_django_as_they_are(daphne):
    port = daphne.nodes[0].port
    seen = lambda lines: ask(port, lines)  # noqa: E731
    told = await seen(b"GET /seen/../a/%2e%2e/./b HTTP/1.1\r\n" + HOST + b"X-Name: caf\xc3\xa9 \xff\r\n\r\n")
    assert told["path"] == "/seen/../a/.././b"
    assert bytes.fromhex(told["headers"]["X-Name"]) == b"caf\xc3\xa9 \xff"
    told = await seen(b"GET http://localhost/seen/absolute HTTP/1.1\r\n" + HOST + b"\r\n")
    assert told["path"] == "/seen/absolute"
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
    told = await seen(b"GET /seen/h2c HTTP/1.1\r\n" + HOST + upgrade)
    assert not {"Upgrade", "Http2-Settings"} & set(told["headers"])
    told = await seen(b"POST /seen/expect HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")
    assert (told["body"], "Expect" in told["headers"]) == ("hi", False)
    told = await seen(b"GET /seen/old HTTP/1.0\r\n" + HOST + b"\r\n")
    assert told["path"] == "/seen/old"
    claims = b"X-Forwarded-For: 203.0.113.9\r\nX_Forwarded_For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\r\n"
    told = await seen(b"GET /seen/claims HTTP/1.1\r\n" + HOST + claims)
    values = {name: bytes.fromhex(value).decode() for name, value in told["headers"].items()}
    assert (values["X-Forwarded-For"], values["X-Forwarded-Proto"]) == (stack.LOOPBACK, "http")
    assert values["X-Forwarded-Host"] == "localhost"


async def ask(port: int, data: bytes) -> dict:
    """The request as Django saw it."""
    raw = await Raw.tcp(port)
    await raw.write(data)
    status, headers = await raw.head()
    while status == 100:
        status, headers = await raw.head()
    assert status == 200
    length = headers.get("content-length")
    body = await (raw.reader.readexactly(int(length)) if length else raw.reader.read())
    raw.abort()
    return json.loads(body)


async def test_a_proxy_that_leads_back_is_noticed(tmp_path, own):
    """Two nodes that pass everything on to each other."""
    first_port = stack.free_port()
    second = own.node(f"http://{stack.LOOPBACK}:{first_port}").wait()
    first = own.node(
        f"http://{stack.LOOPBACK}:{second.port}", CHANNELGATE__SERVER__LISTEN=f"{stack.LOOPBACK}:{first_port}"
    )
    await until(lambda: stack.listening(first_port), "the first node")
    answer = await Http(first_port).get("/")
    assert answer.status == 508 and b"came back" in answer.body
    assert first.running and second.running
