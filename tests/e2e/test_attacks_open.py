"""Nothing is open by mistake, and remote clients never count as local: empty keys, wrong tokens, proxies, pages."""

import asyncio
import contextlib
import json
import pickle
import re
import signal
import time

import pytest
import redis.asyncio as redis
import stack
import websockets
from rig.browser import browser
from rig.client import DEADLINE, Client, refusal, until
from rig.demo import access_claims, mint
from rig.engine import BASE
from rig.http import Http
from rig.log import whole_log
from rig.operators import Live
from rig.raw import Raw
from rig.system import API_KEY

EVENT = {"group": "broadcast", "event": {"type": "send_event", "event": "n", "data": 1}}
#: What the publish key gives access to: a method, a path and a body.
OPENED = {
    "publish": ("POST", "/api/publish", EVENT),
    "tail": ("GET", "/api/tail", None),
    "disconnect": ("POST", "/api/websocket/disconnect", {"user": 7}),
}


def bare(**env: str) -> dict[str, str]:
    """The environment of a node with only these variables."""
    nothing = ("REDIS_URL", "CHANNELGATE_API_KEY", "DJANGO_SECRET_KEY")
    return {**dict.fromkeys(nothing, ""), **env}


async def status(port: int, method: str, path: str, data=None, **headers: str) -> int:
    """Only the status: a tail never ends."""
    body = json.dumps(data).encode() if data is not None else b""
    lines = {"Host": f"{stack.LOOPBACK}:{port}", "Content-Length": str(len(body)), "Connection": "close"}
    lines |= {"Content-Type": "application/json", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items() if value is not None)
    raw = await Raw.tcp(port)
    await raw.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    found, _ = await raw.head()
    raw.abort()
    return found


@pytest.mark.parametrize("where", ["file", "environment"])
async def test_an_empty_key_gives_no_access_at_all(system, where):
    """It does not even start with one; and if it does, the key is refused."""
    config = '[api]\nkey = ""\n' if where == "file" else ""
    env = {"CHANNELGATE_API_KEY": ""} | ({"CHANNELGATE__API__KEY": ""} if where == "environment" else {})
    node = system.start_node(wait=False, config=f'presets = ["feed"]\n{config}', **env)
    with contextlib.suppress(stack.StackError):
        node.wait()
    if not node.running:
        assert node.process.returncode == 2 and "api.key" in node.tail() and "empty" in node.tail()
        return
    for name, (method, path, data) in OPENED.items():
        for header in (None, "", "Bearer", "Bearer ", "Basic ", "Bearer  "):
            found = await status(node.port, method, path, data, Authorization=header)
            assert found in (401, 403), f"{name} with {header!r} gets {found}"


async def test_a_reload_refuses_an_empty_key(system):
    """The key in effect stays, and the log has the reason."""
    config = 'presets = ["feed"]\n[api]\nkey = "{key}"\n'
    node = system.start_node(config=config.replace("{key}", API_KEY), CHANNELGATE_API_KEY="")
    (system.directory / "node1.toml").write_text(config.replace("{key}", ""))
    node.signal(signal.SIGHUP)
    outcomes = ("applied", "refused")
    metric = lambda outcome: system.metric(node, "channelgate_reloads_total", outcome=outcome)  # noqa: E731
    await until(lambda: any(metric(outcome) for outcome in outcomes), "the reload")
    assert (metric("applied"), metric("refused")) == (0, 1)
    await until(lambda: "api.key" in node.log.read_text(), "the reason in the log")
    for method, path, data in OPENED.values():
        assert await status(node.port, method, path, data) == 401
    assert (await Http(node.port).post("/api/publish", data=EVENT, token=API_KEY)).status == 200


#: Settings with which a ws-token once counted as an access token.
CARELESS = {
    "no claim": {"CHANNELGATE__AUTH__JWT__TOKEN_TYPE_CLAIM": ""},
    "no claim and no id": {"CHANNELGATE__AUTH__JWT__TOKEN_TYPE_CLAIM": "", "CHANNELGATE__AUTH__JWT__JTI_CLAIM": ""},
    "the other claim": {
        "CHANNELGATE__AUTH__JWT__TOKEN_TYPE_CLAIM": "type",
        "CHANNELGATE__AUTH__JWT__TOKEN_TYPE": "ws_token",
    },
}
TOKENS = """
presets = ["parking"]
[[consumer]]
path = "/ws/mine/"
auth = ["jwt"]
[consumer.on_message.refresh]
refresh = "message.token"
denied = "'denied'"
reply = "'refreshed'"
[[consumer]]
path = "/socket.io/"
protocol = "socket.io"
auth = ["jwt"]
"""


@pytest.fixture(params=CARELESS)
def careless(request, system):
    """A node that does not check the kind of an access token."""
    node = system.start_node(wait=False, config=TOKENS, **CARELESS[request.param])
    with contextlib.suppress(stack.StackError):
        node.wait()
    if not node.running:
        # Also correct: no setting makes every ws-token an access token.
        assert node.process.returncode == 2 and "auth.jwt.token_type" in node.tail()
        pytest.skip("refused at start")
    return node


#: Ws-tokens: of a node, as Django projects make them, and with all the claims of an access token.
WS_TOKENS = {
    "issued": None,
    "of Django": {"type": "ws_token", "user_id": 7},
    "with an id": {"type": "ws_token", "user_id": 7, "jti": "one", "id": 7, "role": "admin", "is_staff": True},
    "that says both": {**access_claims(7), "type": "ws_token", "user_id": 7},
}


async def ws_token(system, node, kind: str) -> str:
    if (claims := WS_TOKENS[kind]) is None:
        access = mint(**access_claims(7), user_id=7, type="access")
        reply = await Http(node.port).get("/api/user/ws-token/", token=access)
        if reply.status == 200:
            return reply.json()["ws_token"]
        claims = {"type": "ws_token", "user_id": 7, "jti": "issued"}
    token = mint(**claims)
    async with redis.from_url(system.redis_url) as cache:
        # In the form of Django's text.
        await cache.set(":1:ws_token_7", pickle.dumps(token, protocol=5), ex=60)
    return token


@pytest.mark.parametrize("kind", WS_TOKENS)
async def test_a_ws_token_is_never_an_access_token(system, careless, sockets, kind):
    node = careless
    token = await ws_token(system, node, kind)
    assert await refusal(node.port, f"/ws/notifications/?token={token}") == 101, "it is a ws-token"
    assert await refusal(node.port, f"/ws/mine/?token={token}") == 403
    web = Http(node.port)
    # It would renew itself forever, and read what admins may read.
    assert (await web.get("/api/user/ws-token/", token=token)).status == 401
    assert (await web.get("/api/websocket/stats", token=token)).status in (401, 403)
    assert (await web.post("/api/websocket/disconnect", data={"user": 8}, token=token)).status in (401, 403)
    socket = await sockets.start(node.port, token)
    assert await socket.refused()
    client = None
    with contextlib.suppress(websockets.InvalidStatus):
        client = await Client.open(node.port, f"/ws/mine/?token={mint(**access_claims(7), user_id=7)}")
    if client:
        await client.send({"type": "refresh", "token": token})
        assert await client.count(1) == ["denied"]
        await client.close()


async def test_a_refresh_token_is_never_an_access_token_even_without_kind_checks(system):
    node = system.start_node(config=TOKENS, CHANNELGATE__AUTH__JWT__TOKEN_TYPE_CLAIM="")
    token = mint(token_type="refresh", jti="one", user_id=7)
    assert await refusal(node.port, f"/ws/mine/?token={token}") == 403
    assert (await Http(node.port).get("/api/user/ws-token/", token=token)).status == 401
    # One without a kind is the purpose of the setting.
    assert await refusal(node.port, f"/ws/mine/?token={mint(jti='two', user_id=7)}") == 101


#: What a node without Redis and without a key once permitted from this machine; it also issues tokens to anyone.
LOCAL = {
    **OPENED,
    "token": ("POST", "/page/token", {"user_id": 7}),
    "figures": ("GET", "/api/websocket/stats?minutes=15", None),
    "rooms": ("GET", "/api/websocket/user/7/rooms", None),
    "emit": ("POST", "/api/websocket/emit/7", {"event": "x"}),
    "access token": ("POST", "/page/token", {"user_id": 7, "method": "jwt", "claims": {"role": "admin"}}),
}

#: Requests that a page elsewhere sends from this machine's browser.
FOREIGN = [
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
]


@pytest.fixture
def embedded(tmp_path):
    """A node on the embedded layer, with no other settings."""
    port = stack.free_port()
    node = stack.node(tmp_path, port, bare(DJANGO_SECRET_KEY=stack.SECRET_KEY), ready="/health/ready").start().wait()
    yield node
    node.stop(5)


def printed_key(node) -> str:
    """The key that the node made, from its log."""
    deadline = time.monotonic() + DEADLINE
    while not (found := re.search(r"#key=([A-Za-z0-9_-]{20,})", node.log.read_text())):
        assert time.monotonic() < deadline, node.log.read_text()
        time.sleep(0.02)
    return found[1]


@pytest.mark.parametrize("what", LOCAL)
async def test_without_redis_and_without_a_key_the_node_makes_one_and_only_that_is_accepted(embedded, what):
    method, path, data = LOCAL[what]
    for headers in ({}, {"Host": "localhost"}, {"Host": f"[::1]:{embedded.port}"}, *FOREIGN):
        assert await status(embedded.port, method, path, data, **headers) in (401, 403), headers
    key = printed_key(embedded)
    found = await status(embedded.port, method, path, data, Authorization=f"Bearer {key}")
    assert found == 200, found
    for headers in FOREIGN:
        found = await status(embedded.port, method, path, data, Authorization=f"Bearer {key}", **headers)
        assert found == 403, f"a page elsewhere gets {found} with {headers}"
    own = {"Sec_Fetch_Site": "same-origin", "Origin": f"http://{stack.LOOPBACK}:{embedded.port}"}
    assert await status(embedded.port, method, path, data, Authorization=f"Bearer {key}", **own) == 200


async def test_the_key_that_a_node_has_printed_opens_its_live_stream_and_no_other_does(embedded):
    live = await Live.open(embedded.port, printed_key(embedded))
    assert (await live.first())["nodes"] == 1
    await live.close()
    for other in (API_KEY, f"{printed_key(embedded)}x", mint(**access_claims(7), user_id=7)):
        live = await Live.open(embedded.port, other)
        assert (await live.client.gone())[0] in (4401, 4403)


async def test_two_nodes_make_two_keys(embedded, tmp_path):
    (tmp_path / "other").mkdir()
    other = stack.node(tmp_path / "other", stack.free_port(), bare(), ready="/health/live").start().wait()
    try:
        assert printed_key(embedded) != printed_key(other)
        assert await status(other.port, "GET", "/api/tail", Authorization=f"Bearer {printed_key(embedded)}") == 401
    finally:
        other.stop(5)


NGINX = """
events {{}}
pid {home}/nginx.pid;
http {{
  access_log off;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{node}; {more} }}
  }}
}}
"""


@pytest.mark.parametrize(
    "more",
    ["", 'proxy_http_version 1.1; proxy_set_header Connection "";', "proxy_set_header Host localhost;"],
    ids=["bare", "HTTP 1.1", "another Host"],
)
async def test_a_client_behind_a_proxy_is_not_this_machine(embedded, tmp_path, more):
    """`proxy_pass` alone does not pass on the client: an address of loopback, and the upstream's own Host."""
    port = stack.free_port()
    file = tmp_path / "nginx.conf"
    file.write_text(NGINX.format(home=tmp_path, port=port, node=embedded.port, more=more))
    argv = [
        stack.tool("nginx"),
        "-p",
        f"{tmp_path}/",
        "-c",
        file,
        "-e",
        tmp_path / "nginx-error.log",
        "-g",
        "daemon off;",
    ]
    nginx = stack.Part("nginx", argv, tmp_path, lambda: stack.listening(port), port=port).start().wait()
    try:
        for name, (method, path, data) in LOCAL.items():
            assert await status(port, method, path, data, Host="site.example") in (401, 403), name
        # The page may be served; its reader does not learn the key.
        key = printed_key(embedded)
        for path in ("/", "/page/app.js", "/page/consumers", "/page/publish.js"):
            assert key not in (await Http(port).get(path)).body.decode()
    finally:
        nginx.stop(5)


async def test_a_foreign_page_cannot_occupy_a_tail(embedded):
    """`<img src="http://127.0.0.1:8000/api/tail">` on any page: no Origin, and a connection that never ends."""
    held = []
    for _ in range(20):
        raw = await Raw.tcp(embedded.port)
        await raw.write(
            f"GET /api/tail HTTP/1.1\r\nHost: 127.0.0.1:{embedded.port}\r\nSec-Fetch-Site: cross-site\r\n\r\n".encode()
        )
        held.append((raw, (await raw.head())[0]))
    metrics = (await Http(embedded.port).get("/metrics")).body.decode()
    assert "channelgate_tail_watchers 0" in metrics, {found for _, found in held}
    for raw, _ in held:
        raw.abort()


async def test_the_printed_address_opens_the_page_and_the_page_publishes(embedded):
    """The printed address is sufficient to start: the key is in it, after `#`."""
    key = printed_key(embedded)
    found = re.search(rf"http://127\.0\.0\.1:{embedded.port}/\S*", embedded.log.read_text())
    assert found and key in found[0], embedded.log.read_text()
    async with browser() as page:
        await page.goto(found[0])
        script = (
            "fetch('/api/publish', {method: 'POST', headers: {'Content-Type': 'application/json', "
            f"Authorization: 'Bearer {printed_key(embedded)}'}}, body: JSON.stringify({json.dumps(EVENT)})}})"
            ".then((reply) => reply.status)"
        )
        assert await page.run(script) == 200
        assert page.errors == []


async def test_a_configured_key_is_not_printed(tmp_path):
    node = stack.node(tmp_path, stack.free_port(), bare(CHANNELGATE_API_KEY=API_KEY), ready="/health/live")
    node.start().wait()
    try:
        assert API_KEY not in whole_log(node)
        assert await status(node.port, "GET", "/api/tail") == 401
        assert await status(node.port, "GET", f"{BASE}polling") == 200
    finally:
        await asyncio.to_thread(node.stop, 5)
