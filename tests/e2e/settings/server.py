"""Listening, admission limits, connections, Socket.IO as a whole, the API, the log and the page."""

import asyncio
import contextlib
import json
import re
import signal
import stat
import time
from pathlib import Path

import stack
from rig.client import until
from rig.demo import mint
from rig.door import fill, knock
from rig.engine import BASE, Polling, open_socket
from rig.faults import standstill
from rig.log import whole_log
from rig.raw import CLOSE, TEXT, Raw, encode, request
from rig.system import API_KEY

from . import OfNode
from .world import Site, becomes, is_ended, is_pinged, token

ECHO = """
[[consumer]]
path = "/ws/"
groups = ["SITE"]
[consumer.on_raw."*"]
reply_raw = "message"
[consumer.on_event."*"]
send = "event"
"""
MINE = '[[consumer]]\npath = "/ws/"\nauth = ["jwt"]\n'
SOCKETIO = """
[[consumer]]
path = "/socket.io/"
protocol = "socket.io"
[consumer.on_message.echo]
ack_args = "args"
"""
EVENT = {"group": "nobody", "event": {"type": "x", "text": "x" * 200}}


async def handshake(site: Site):
    return await site.status()


def with_origin(origin: str, path: str = "/ws/"):
    async def look(site: Site):
        return (await knock(site.port, path, Origin=origin)).status

    return look


async def listens_elsewhere(site: Site):
    """Whether 127.0.0.2 answers as well."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.2", site.port)
    except OSError:
        return False
    writer.close()
    return True


AT_SOCKET = '"unix:/tmp/channelgate-{port}.sock"'


async def mode_of_socket(site: Site):
    """The permissions of the unix socket's file."""
    path = Path(AT_SOCKET.strip('"').removeprefix("unix:").replace("{port}", str(site.port)))
    mode = stat.S_IMODE(path.stat().st_mode)
    path.unlink()
    return f"{mode:o}"


async def threads(site: Site):
    return int(re.search(r"starting (\d+) workers", await asyncio.to_thread(whole_log, site.node))[1])


def let_in(**options):
    async def look(site: Site):
        chosen = {**options, **({"token": token()} if options.get("token") else {})}
        taken, _ = await fill(site.port, "/ws/", most=8, **chosen)
        for one in taken:
            one.close()
        return len(taken)

    return look


async def at_once(site: Site):
    """How many of five handshakes are accepted in how many seconds."""
    began = time.monotonic()
    answers = await asyncio.gather(*(knock(site.port, "/ws/") for _ in range(5)))
    took = time.monotonic() - began
    for answer in answers:
        answer.close()
    return sum(answer.status == 101 for answer in answers), took


def is_limited(one: tuple[int, float], two: tuple[int, float]) -> bool:
    """Whether of the first five one was accepted, and one per second; and all of the second five."""
    return one[0] <= 1 + one[1] and two[0] == 5


def told_apart(header: str):
    """Whether two clients of a proxy are distinguished."""

    async def look(site: Site):
        same = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
        first = await knock(site.port, "/ws/", **{**same, header: by(header, "203.0.113.1")})
        second = await knock(site.port, "/ws/", **{**same, header: by(header, "203.0.113.2")})
        first.close()
        second.close()
        return second.status == 101

    return look


def by(header: str, address: str) -> str:
    return f"for={address}" if header == "Forwarded" else address


async def unfinished_head(site: Site):
    """Whether half a request is cut; seven seconds are longer than it takes by default."""
    raw = await Raw.tcp(site.port)
    await raw.write(b"GET /ws/ HTTP/1.1\r\nHost: x\r\n")
    return await is_cut(raw, site.patience(7))


async def is_cut(raw: Raw, within: float) -> bool:
    try:
        await raw.ended(within)
    except TimeoutError:
        return False
    finally:
        raw.abort()
    return True


async def unfinished_body(site: Site):
    """Whether half a body is cut, sooner than by default."""
    raw = await Raw.tcp(site.port)
    head = f"POST /api/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\nContent-Length: 9\r\n\r\n"
    await raw.write(head.encode() + b"[")
    return await is_cut(raw, site.patience(2, 9))


async def at_no_consumer(site: Site):
    return (await site.get("/elsewhere/")).status


async def behind_proxy_protocol(site: Site):
    first = b"PROXY TCP4 203.0.113.1 127.0.0.1 1 2\r\n"
    try:
        answer = await knock(site.port, "/ws/", source="127.0.0.5", first=first)
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    answer.close()
    return answer.status == 101


async def listens_after_sigterm(site: Site):
    """Whether it does so for three seconds."""
    client = await site.open()
    site.node.signal(signal.SIGTERM)
    ended = await becomes(lambda: not stack.listening(site.port), site.patience(3, of=False))
    await client.close()
    return not ended


async def drain_takes(site: Site):
    """The seconds until the last of six clients is closed."""
    clients = [await site.open() for _ in range(6)]
    began = time.monotonic()
    site.node.signal(signal.SIGTERM)
    for client in clients:
        await client.gone()
    return time.monotonic() - began


async def silent_client_is_dropped(site: Site):
    """Whether a client that never answers its Close is dropped; eight seconds are longer than it takes by default."""
    raw = await Raw.open(site.port, "/ws/")
    site.node.signal(signal.SIGTERM)
    while (await raw.read())[0] != CLOSE:
        pass
    return await is_cut(raw, site.patience(8))


async def alive_with_a_thread_held(site: Site):
    async def is_stuck() -> bool:
        return await asyncio.to_thread(stack.http_status, site.port, "/health/live") == 503

    with standstill(site.node, "layer"):
        # Sooner than by default.
        return 503 if await becomes(is_stuck, site.patience(3, 13, of=503)) else 200


async def pings(site: Site):
    raw = await Raw.open(site.port, "/ws/")
    seen = await is_pinged(raw, site.patience(2, 15))
    raw.abort()
    return seen


async def silent_one_ends(site: Site):
    raw = await Raw.open(site.port, "/ws/")
    ended = await is_ended(raw, site.patience(3, 15))
    raw.abort()
    return ended


async def echo_of_500(site: Site):
    client = await site.open()
    await client.send("x" * 500)
    await client.wait(lambda client: client.frames or client.closed, "an answer")
    return client.closed[0] if client.closed else len(client.frames[0])


@contextlib.asynccontextmanager
async def one_behind(site: Site):
    """A client that reads nothing of 600 kB."""
    raw = await Raw.stalled(site.port, "/ws/")
    async with site.bus() as bus:
        for _ in range(60):
            await bus.publish(f"channelgate:{site.name}", json.dumps({"text": "x" * 10_000}))
    try:
        yield
    finally:
        raw.abort()


async def is_kept_while_behind(site: Site):
    """Whether it is still connected after four seconds, or later if it is expected to be cut sooner than by default."""

    async def is_gone() -> bool:
        return await site.metric("channelgate_connections") == 0

    async with one_behind(site):
        return not await becomes(is_gone, site.patience(4, 20, of=False))


async def waits_in_the_node(site: Site):
    """Whether some of 100 kB waits in the node, because the kernel accepts no more."""
    raw = await Raw.stalled(site.port, "/ws/")
    async with site.bus() as bus:
        for _ in range(10):
            await bus.publish(f"channelgate:{site.name}", json.dumps({"text": "x" * 10_000}))
    await until(lambda: _delivered(site, 10), "all to be handed over")

    async def is_waiting() -> bool:
        return await site.metric("channelgate_outbox_bytes") > 10_000

    waiting = await site.settled(is_waiting, 0.5)
    raw.abort()
    return waiting


async def _delivered(site: Site, number: int) -> bool:
    return await site.metric("channelgate_deliveries_total") >= number


def closes(reason: str):
    """Whether a client that reads nothing is closed for this reason."""

    async def look(site: Site):
        async def is_closed() -> bool:
            return await site.metric("channelgate_closes_total", reason=reason) > 0

        async with one_behind(site):
            return await becomes(is_closed, site.patience(4))

    return look


def echoed(count: int, size: int):
    """Whether so many messages are answered within a few seconds, in two parts: one read is handled completely."""

    async def look(site: Site):
        raw = await Raw.open(site.port, "/ws/")
        part = b"".join(encode(TEXT, b"x" * size) for _ in range(count // 2))
        # In one write: data that arrives frame by frame is limited frame by frame, in short pauses.
        await raw.write(part)
        await raw.read()
        await asyncio.sleep(0.3)
        await raw.write(part)
        answered = 1
        # Too short for the second part at one message per second.
        within = site.patience(3)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while answered < count:
                    await raw.read(within)
                    answered += 1
        raw.abort()
        return answered == count

    return look


async def offered_compression(site: Site):
    answer = await knock(site.port, "/ws/", Sec_WebSocket_Extensions="permessage-deflate")
    answer.close()
    return "permessage-deflate" in answer.headers.get("sec-websocket-extensions", "")


async def _compressed(site: Site, text: str) -> tuple[bool, int]:
    """Whether a reply is compressed, and how long it is."""
    raw = await Raw.tcp(site.port)
    await raw.write(request(site.port, "/ws/", Sec_WebSocket_Extensions="permessage-deflate"))
    assert (await raw.head())[0] == 101
    await raw.frame(TEXT, text.encode())
    first = (await raw.reader.readexactly(1))[0]
    length = (await raw.reader.readexactly(1))[0]
    if length == 126:
        length = int.from_bytes(await raw.reader.readexactly(2))
    raw.abort()
    return bool(first & 0x40), length


async def is_compressed(site: Site):
    return (await _compressed(site, "x" * 600))[0]


async def compressed_size(site: Site):
    words = [f"order {number * 7919 % 1000} of customer {number * 104729 % 97}" for number in range(400)]
    return (await _compressed(site, ", ".join(words)))[1]


def announced(name: str):
    """The content of the open packet, and whether a silent session ends, sooner than by default."""

    async def look(site: Site):
        session = await Polling.open(site.port)
        # In no namespace: it could have ended before it is in one.
        raw = await open_socket(site.port, join=False)
        ends = await is_ended(raw, 15 if site.expected[1] else 2)
        raw.abort()
        return session.handshake[name], ends

    return look


async def is_asked(site: Site):
    raw = await open_socket(site.port)
    try:
        return (await raw.read(site.patience(2, 15)))[1] == b"2"
    except TimeoutError:
        return False
    finally:
        raw.abort()


async def post_of_5000(site: Site):
    session = await Polling.open(site.port)
    await session.join()
    return (await session.post(b'42["x","' + b"x" * 5000 + b'"]')).status


WAITING = """
[[consumer]]
path = "/ws/"
[consumer.on_message.held.call]
action = "held"
[consumer.on_message."*"]
reply = "1"
"""


async def read_behind_a_call(site: Site):
    """Whether the node reads all of fifty messages while it handles the first."""
    before = await site.metric("channelgate_messages_total")
    raw = await Raw.open(site.port, "/ws/")
    await raw.frame(TEXT, b'{"type":"held"}')
    for _ in range(50):
        await raw.frame(TEXT, b'{"type":"other","data":"' + b"x" * 20_000 + b'"}')

    async def are_read() -> bool:
        return await site.metric("channelgate_messages_total") - before == 51

    read = await becomes(are_read, site.patience(3))
    raw.abort()
    return read


async def half_messages(site: Site) -> list[Raw]:
    """Three clients that send half a message of 60 kB."""
    raws = [await Raw.open(site.port, "/ws/") for _ in range(3)]
    for raw in raws:
        await raw.write(encode(TEXT, bytes(60_000).replace(b"\0", b"x"))[:-1])
    return raws


async def half_messages_are_too_much(site: Site):
    """Whether one of three is closed."""
    raws = await half_messages(site)

    async def is_closed() -> bool:
        return await site.metric("channelgate_closes_total", reason="inbox_total") > 0

    closed = await becomes(is_closed, site.patience(3))
    for raw in raws:
        raw.abort()
    return closed


async def half_a_message_ends(site: Site):
    """Whether a client that does not finish is closed, sooner than by default."""
    first, *others = await half_messages(site)
    ended = await is_ended(first, site.patience(3, 20))
    for raw in (first, *others):
        raw.abort()
    return ended


async def unpolled_ends(site: Site):
    """Whether a session that is not polled ends; seven seconds are longer than it takes by default."""
    session = await Polling.open(site.port)

    async def is_gone() -> bool:
        return (await session.post(b"3")).status == 400

    return await becomes(is_gone, site.patience(7))


async def oldest_of_forty_ends(site: Site):
    """Whether a session without a namespace is closed when there are forty others."""
    first = await Polling.open(site.port)
    for _ in range(40):
        await Polling.open(site.port)
    return (await first.post(b"3")).status == 400


async def unconnected_ends(site: Site):
    raw = await open_socket(site.port, join=False)
    ended = await is_ended(raw, site.patience(2))
    raw.abort()
    return ended


async def polls(site: Site):
    return (await site.get(f"{BASE}polling")).status


async def polls_from_elsewhere(site: Site):
    return (await site.get(f"{BASE}polling", headers={"Origin": "http://app.example"})).status


async def publishes(site: Site):
    return (await site.post("/api/publish", data=EVENT, token=API_KEY)).status


async def boss_asks(site: Site):
    return (
        await site.get("/api/websocket/stats", token=mint(user_id=1, jti="1", token_type="access", role="boss"))
    ).status


async def log_is_json(site: Site):
    return (await until(site.node.log.read_text, "a line of the log")).startswith("{")


async def page(site: Site):
    return (await site.get("/")).status


async def feed_and_attendance(site: Site):
    return await site.status("/ws/"), await site.status("/ws/attendance/")


SLOW_ADMISSION = """
[[consumer]]
path = "/ws/"
auth = ["jwt"]
on_admit = { call = { action = "slow", ok = {} } }
"""


async def long_query(site: Site):
    return await site.status("/ws/?" + "&".join(f"key{number}=value" for number in range(50)))


ROOMS = """
[[consumer]]
path = "/ws/"
groups = ["SITE"]
[consumer.on_message.join]
join = "room_{{ message.name }}"
reply = "'joined'"
failed = { send = "'failed'" }
"""


async def rooms_joined(site: Site):
    """How many of six rooms a client can join."""
    raw = await Raw.open(site.port, "/ws/")
    answers = []
    for number in range(6):
        await raw.frame(TEXT, json.dumps({"type": "join", "name": number}).encode())
        answers.append((await raw.read())[1])
    raw.abort()
    return answers.count(b'"joined"')


async def admission(site: Site):
    return await site.status(f"/ws/?token={token()}")


SMALL = {"socket.send_buffer": "4096", "socket.tcp_user_timeout": '"0s"'}
PER_ADDRESS = {"limits.connections_per_address": "1"}
TRUSTED = {"server.trusted_proxies": '["127.0.0.1"]'}

TABLE: dict[str, OfNode] = {
    "presets": OfNode('["feed"]', '["attendance"]', feed_and_attendance, ((101, 404), (404, 101))),
    "preset.<name>": OfNode(
        '["anonymous"]', '["jwt"]', handshake, (101, 403), 'presets = ["feed"]\n', variable="preset.feed.auth"
    ),
    # The test chooses the port; the key changes only the address here.
    "server.listen": OfNode("127.0.0.1", "0.0.0.0", listens_elsewhere, (False, True), ECHO),
    "server.socket_mode": OfNode('"600"', '"666"', mode_of_socket, ("600", "666"), ECHO, {"server.listen": AT_SOCKET}),
    "server.workers": OfNode("1", "3", threads, (1, 3), ECHO),
    "server.max_connections": OfNode("1", "2", let_in(), (1, 2), ECHO),
    "server.body_timeout": OfNode('"300ms"', '"30s"', unfinished_body, (True, False), ECHO),
    "server.handshake_timeout": OfNode('"300ms"', '"30s"', unfinished_head, (True, False), ECHO),
    "server.trusted_proxies": OfNode(
        "[]", '["127.0.0.1"]', told_apart("X-Forwarded-For"), (False, True), ECHO, PER_ADDRESS
    ),
    "server.forwarded_header": OfNode(
        '"x-forwarded-for"', '"forwarded"', told_apart("Forwarded"), (False, True), ECHO, PER_ADDRESS | TRUSTED
    ),
    "server.proxy_protocol": OfNode(
        "false", "true", behind_proxy_protocol, (False, True), ECHO, {"server.trusted_proxies": '["127.0.0.5"]'}
    ),
    # The other server takes no GET.
    "server.proxy": OfNode(None, '"{backend}"', at_no_consumer, (404, 501), ECHO),
    "server.allowed_origins": OfNode(None, '["app.example"]', with_origin("http://app.example"), (403, 101), ECHO),
    "server.drain_delay": OfNode(
        '"0s"', '"20s"', listens_after_sigterm, (False, True), ECHO, {"server.drain_period": '"100ms"'}
    ),
    "server.drain_period": OfNode(
        '"100ms"',
        '"12s"',
        drain_takes,
        lambda one, two: one < 8 < two,
        ECHO,
        {"server.drain_delay": '"0s"'},
    ),
    "server.drain_grace": OfNode(
        '"200ms"',
        '"20s"',
        silent_client_is_dropped,
        (True, False),
        ECHO,
        {"server.drain_delay": '"0s"', "server.drain_period": '"100ms"'},
    ),
    "server.stuck_after": OfNode('"1s"', '"60s"', alive_with_a_thread_held, (503, 200), ECHO),
    "limits.connections_per_address": OfNode("1", "2", let_in(), (1, 2), ECHO),
    "limits.connections_per_user": OfNode("1", "2", let_in(token=True), (1, 2), MINE),
    "limits.handshakes_per_second": OfNode("1", "100", at_once, is_limited, ECHO),
    "limits.handshake_burst": OfNode("1", "5", at_once, is_limited, ECHO, {"limits.handshakes_per_second": "1"}),
    "limits.handshakes_per_second_per_address": OfNode("1", "100", at_once, is_limited, ECHO),
    "limits.handshake_burst_per_address": OfNode(
        "1", "5", at_once, is_limited, ECHO, {"limits.handshakes_per_second_per_address": "1"}
    ),
    "limits.admission_timeout": OfNode('"300ms"', '"60s"', admission, (503, 101), SLOW_ADMISSION),
    "limits.connection_state": OfNode("2000", "0", long_query, (431, 101), ECHO),
    "limits.groups": OfNode("3", "0", rooms_joined, (2, 6), ROOMS),
    "socket.ping_interval": OfNode('"300ms"', '"0s"', pings, (True, False), ECHO),
    "socket.ping_timeout": OfNode(
        '"300ms"', '"30s"', silent_one_ends, (True, False), ECHO, {"socket.ping_interval": '"200ms"'}
    ),
    "socket.max_message": OfNode("100", "1000", echo_of_500, (1009, 500), ECHO),
    "socket.outbox": OfNode("50_000", "5_000_000", closes("slow_client"), (True, False), ECHO, SMALL),
    "socket.inbox": OfNode("10_000", "0", read_behind_a_call, (False, True), WAITING),
    "socket.inbox_total": OfNode("100_000", "0", half_messages_are_too_much, (True, False), ECHO),
    "socket.message_timeout": OfNode('"500ms"', '"0s"', half_a_message_ends, (True, False), ECHO),
    "socket.outbox_total": OfNode("50_000", "0", closes("outbox_total"), (True, False), ECHO, SMALL),
    "socket.max_frames_per_second": OfNode("1", "0", echoed(40, 1), (False, True), ECHO),
    "socket.max_bytes_per_second": OfNode("1024", "0", echoed(40, 1000), (False, True), ECHO),
    "socket.send_buffer": OfNode(
        "4096", "1_000_000", waits_in_the_node, (True, False), ECHO, {"socket.tcp_user_timeout": '"0s"'}
    ),
    "socket.tcp_user_timeout": OfNode(
        '"1s"',
        '"0s"',
        is_kept_while_behind,
        (False, True),
        ECHO,
        {"socket.send_buffer": "4096", "socket.outbox": "5_000_000"},
    ),
    "socket.compression.enabled": OfNode("false", "true", offered_compression, (False, True), ECHO),
    "socket.compression.threshold": OfNode("10_000", "10", is_compressed, (False, True), ECHO),
    "socket.compression.level": OfNode("1", "9", compressed_size, lambda one, two: two < one, ECHO),
    "socketio.ping_interval": OfNode('"300ms"', '"25s"', is_asked, (True, False), SOCKETIO),
    "socketio.ping_timeout": OfNode(
        '"400ms"',
        '"20s"',
        announced("pingTimeout"),
        ((400, True), (20000, False)),
        SOCKETIO,
        {"socketio.ping_interval": '"300ms"'},
    ),
    "socketio.max_payload": OfNode("1000", "100_000", post_of_5000, (413, 200), SOCKETIO),
    "socketio.connect_timeout": OfNode('"300ms"', '"45s"', unconnected_ends, (True, False), SOCKETIO),
    "socketio.poll_timeout": OfNode('"300ms"', '"30s"', unpolled_ends, (True, False), SOCKETIO),
    "socketio.max_pending": OfNode(
        "4",
        "1000",
        oldest_of_forty_ends,
        (True, False),
        SOCKETIO,
        {"socketio.poll_timeout": '"10m"', "socketio.connect_timeout": '"10m"'},
    ),
    "socketio.transports": OfNode('["websocket"]', '["polling", "websocket"]', polls, (400, 200), SOCKETIO),
    "socketio.cors": OfNode(None, '["app.example"]', polls_from_elsewhere, (403, 200), SOCKETIO),
    "api.key": OfNode(f'"{API_KEY}"', '"another key of the tests"', publishes, (200, 401), ECHO),
    "api.max_body": OfNode("100", "10_000", publishes, (413, 200), ECHO),
    "api.admin_roles": OfNode('["admin"]', '["boss"]', boss_asks, (403, 200), ECHO),
    "log.format": OfNode('"human"', '"json"', log_is_json, (False, True), ECHO),
    "page.enabled": OfNode("false", "true", page, (404, 200), ECHO),
}
