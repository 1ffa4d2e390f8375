"""The log: no secret in it for any request, a bounded number of lines, and valid JSON."""

import base64
import json
import re
import secrets
import urllib.parse

import msgpack
import pytest
import redis.asyncio as redis
import stack
from rig.client import Client, refusal, until
from rig.config import ROOMS
from rig.demo import access_claims, mint
from rig.http import Http
from rig.log import whole_log
from rig.raw import Raw, request
from rig.sio import Sockets
from rig.system import LAYERS, System


class Secrets(dict):
    """Secrets by purpose; each made once, and all different."""

    def __missing__(self, name: str) -> str:
        self[name] = f"{re.sub('[^a-z]', '', name)}{secrets.token_hex(12)}"
        return self[name]

    def leaked(self, text: str) -> dict[str, str]:
        """The secrets that appear in a text, whole, encoded, or by their secret part."""
        found = {}
        for name, secret in self.items():
            part = secret.rsplit(".", 1)[-1] if secret.count(".") == 2 else secret
            encoded = base64.b64encode(part.encode()).decode().rstrip("=")[:-2]
            forms = {part, urllib.parse.quote(part, safe=""), encoded, part.encode().hex()}
            if any(form in text for form in forms):
                found[name] = secret
        return found


CONFIG = """
presets = ["feed", "parking", "attendance", "tracker"]
[preset.attendance]
auth = ["jwt"]
[auth.jwt]
sources = ["query:token", "header", "cookie:access_token", "subprotocol"]
"""


@pytest.fixture
def known():
    return Secrets()


@pytest.fixture
def guarded(tmp_path, known):
    """An empty Redis whose user has a password."""
    system = System(tmp_path, LAYERS["core"])
    acl = ["--user", "gate", "on", f">{known['password of redis']}", "~*", "&*", "+@all"]
    redis_with_user = stack.redis(tmp_path, stack.free_port(), "guarded", acl)
    system.parts.append(redis_with_user.start().wait())
    system.redis_url = f"redis://gate:{known['password of redis']}@{stack.LOOPBACK}:{redis_with_user.port}/0"
    yield system
    system.stop()


async def try_everything(system, node, known, sockets):
    """Sends the node every secret in every place, valid and invalid."""
    key = known["secret of django"]
    good = {
        place: mint(key, **access_claims(7), user_id="7", place=place)
        for place in ["header", "query", "cookie", "sub", "auth"]
    }
    bad = {place: mint(known["another secret"], **access_claims(7), user_id="7", place=place) for place in good}
    known.update({f"good jwt in {place}": token for place, token in good.items()})
    known.update({f"bad jwt in {place}": token for place, token in bad.items()})
    async with redis.from_url(system.redis_url) as cache:
        await cache.set(f":1:ws_token_{known['ws token']}", 7)
    paths = [f"/ws/notifications/?token={known['ws token']}", f"/ws/notifications/?token={known['unknown ws token']}"]
    for tokens in (good, bad):
        cookie = {"Cookie": f"access_token={tokens['cookie']}"}
        for path, options in [
            ("/ws/attendance/", {"additional_headers": {"Authorization": f"Bearer {tokens['header']}"}}),
            (f"/ws/attendance/?token={tokens['query']}", {}),
            ("/ws/attendance/", {"additional_headers": cookie}),
            ("/ws/attendance/", {"subprotocols": ["bearer", tokens["sub"]]}),
        ]:
            await refusal(node.port, path, **options)
        for transport in ("polling", "websocket"):
            path = f"/socket.io/?EIO=4&transport={transport}&token={tokens['query']}"
            await Http(node.port).get(path, headers={"Authorization": f"Bearer {tokens['header']}", **cookie})
        socket = await sockets.start(node.port, tokens["auth"])
        await socket.wait(lambda socket=socket: socket.ids or socket.refusals, "an answer")
    statuses = [await refusal(node.port, path) for path in paths]
    web, body = Http(node.port), {"group": "broadcast", "event": {"type": "send_event", "event": "n", "data": 1}}
    client = await Client.open(node.port, "/ws/")
    for token in (known["api key"], known["wrong api key"], good["header"], bad["header"]):
        await web.post("/api/publish", data=body, token=token)
        await web.get("/api/tail?bad=1", token=token)
        for path in ("/api/websocket/stats", "/api/user/ws-token/"):
            reply = await web.get(path, token=token)
            if "ws_token" in reply.body.decode():
                known[f"issued ws token {len(known)}"] = reply.json()["ws_token"]
    await client.count(1)
    # A head that is not HTTP, or an aborted handshake, with a token in it.
    for garbage in (
        b"\x00\x01 %s\r\n\r\n",
        b"GET /ws/?token=%s HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: %s\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n",
    ):
        raw = await Raw.tcp(node.port)
        await raw.write(garbage % known["token in garbage"].encode())
        await raw.ended()
    raw = await Raw.tcp(node.port)
    await raw.write(request(node.port, f"/ws/attendance/?token={known['token of one who goes']}"))
    raw.abort()
    await client.close()
    return statuses


async def test_no_secret_is_ever_logged(guarded, known, database, driver):
    system = guarded
    system.start_django(
        database, DJANGO_SECRET_KEY=known["secret of django"], CHANNELGATE_SECRET=known["secret of calls"]
    )
    env = {
        "RUST_LOG": "trace",
        "DJANGO_SECRET_KEY": known["secret of django"],
        "CHANNELGATE_API_KEY": known["api key"],
        "CHANNELGATE_LAYER_KEYS": known["key of the layer"],
        "CHANNELGATE_BACKEND_URL": f"http://{stack.LOOPBACK}:{system.django.port}/channelgate",
        "CHANNELGATE__BACKEND__SECRET": known["secret of calls"],
    }
    good = system.start_node(config=CONFIG, **env)
    nobody = stack.free_port()
    bad = system.start_node(
        wait=False,
        config=CONFIG,
        **{**env, "CHANNELGATE_BACKEND_URL": f"http://{stack.LOOPBACK}:{nobody}/"},
    )
    system.wait()
    # Refused by Redis, and by a closed port.
    wrong = system.redis_url.replace(known["password of redis"], known["wrong password of redis"])
    away = f"redis://gate:{known['password of a redis that is away']}@{stack.LOOPBACK}:{nobody}/0"
    lost = []
    for url in (wrong, away):
        port = stack.free_port()
        name = f"lost{len(lost)}"
        node_env = system.node_env(REDIS_URL=url, **env)
        lost.append(stack.node(system.directory, port, node_env, name, ready="/health/live").start().wait())
    system.parts.extend(lost)
    sockets = Sockets(driver, "js-websocket")
    for node in (good, bad):
        assert await try_everything(system, node, known, sockets) == [101, 403]
    await sockets.close_all()
    for node in lost:
        await refusal(node.port, f"/ws/notifications/?token={known['ws token']}")
        await until(
            lambda node=node: "reconnecting until it answers" in node.log.read_text(), "the node to say what is wrong"
        )
    assert len(known) > 20
    for node in (good, bad, *lost):
        node.stop()
        log = node.log.read_text(errors="replace")
        assert " DEBUG channelgate" in log, "the log is not at its most verbose level"
        assert known.leaked(log) == {}, node.name
    shown = stack.subprocess.run(
        [stack.binary(), "print-config"], env={**system.node_env(**env)}, capture_output=True, text=True, check=True
    )
    assert known.leaked(shown.stdout + shown.stderr) == {}


async def test_repeated_warnings_are_logged_a_few_times_and_counted_exactly(system):
    node = system.start_node()
    client = await Client.open(node.port, "/ws/")
    number = 10_000
    async with redis.from_url(system.redis_url) as bus:
        for kind, event in [("decode", b"no json"), ("mapping", b'{"type": "send_event"}')]:
            for _ in range(0, number, 1000):
                async with bus.pipeline(transaction=False) as pipe:
                    for _ in range(1000):
                        pipe.publish("channelgate:broadcast", event)
                    await pipe.execute()
            await until(
                lambda kind=kind: system.metric(node, "channelgate_drops_total", reason=kind) >= number,
                "all to be counted",
                30,
            )
            assert system.metric(node, "channelgate_drops_total", reason=kind) == number
    lines = whole_log(node).splitlines()
    assert 2 <= len(lines) < 40, lines[:50]
    assert client.frames == []
    await client.close()


async def test_json_lines_are_valid_with_any_content(system):
    node = system.start_node(CHANNELGATE__LOG__FORMAT="json", RUST_LOG="debug")
    client = await Client.open(node.port, "/ws/attendance/")
    nasty = 'a "type" \\ with\nlines\r\n\x1b[31m and \u2028 ünï'
    async with redis.from_url(system.redis_url) as bus:
        await bus.publish("channelgate:attendance_updates", json.dumps({"type": nasty}))
    await until(lambda: system.metric(node, "channelgate_drops_total", reason="no_handler") == 1, "the drop")
    await client.close()
    node.stop()
    entries = [json.loads(line) for line in node.log.read_text().splitlines()]
    assert {tuple(entry) for entry in entries} == {("timestamp", "level", "target", "message")}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry["timestamp"]) for entry in entries)
    [warning] = [entry for entry in entries if "no handler" in entry["message"]]
    assert warning["level"] == "warn" and warning["target"].startswith("channelgate::hub")


async def test_channels_redis_2_is_named_and_what_it_writes_is_heard(system):
    node = system.start_node(config=ROOMS)
    async with redis.from_url(system.redis_url) as bus:
        # By default its keys have one colon more.
        await bus.zadd("asgi::group:room_hall", {"specific.aBcDeFgH!iJkLmNoPqRsT": 1_760_000_000})
        client = await Client.open(node.port, "/room/hall/")
        await until(
            lambda: "asgi::group:room_hall has members of channels_redis 2" in node.log.read_text(), "a warning"
        )
        # With the same prefix it finds the node, and its queues are lists.
        [member] = await bus.zrange("asgi:group:room_hall", 0, -1)
        queue = b"asgi" + member[: member.index(b"!") + 1]
        for n in range(3):
            message = {"type": "tick", "n": n, "__asgi_channel__": [member.decode()]}
            await bus.lpush(queue, msgpack.packb(message))
        assert await client.count(3) == [{"type": "tick", "n": n} for n in range(3)]
    writes = "a Django process with channels_redis 2 writes to this channel layer"
    await until(lambda: writes in node.log.read_text(), "the second warning")
    await client.close()
