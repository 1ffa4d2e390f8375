"""The routes that are not handshakes: their methods, spellings and credentials, and ws-tokens for pages elsewhere."""

import asyncio
import subprocess

import pytest
import stack
from rig.client import Client, until
from rig.demo import access_claims
from rig.demo import mint as mint_claims
from rig.http import Http
from rig.system import API_KEY, LAYERS, System

READ, POST = "GET, HEAD, OPTIONS", "POST, OPTIONS"
PUBLIC = ("/health/live", "/health/ready", "/metrics", "/api/websocket/health")
ROUTES = {
    **dict.fromkeys(PUBLIC, READ),
    "/api/tail": READ,
    "/api/user/ws-token": READ,
    "/api/websocket/stats": READ,
    "/api/websocket/user/1/rooms": READ,
    "/api/publish": POST,
    "/api/websocket/disconnect": POST,
    "/api/websocket/emit/1": POST,
}
HERE = "https://shop.example"
EVENT = {"group": "broadcast", "event": {"type": "send_event", "event": "n", "data": 1}}


def mint(user_id: int, **claims) -> str:
    return mint_claims(**access_claims(user_id), user_id=user_id, **claims)


@pytest.fixture(scope="module")
def served(module_system) -> System:
    module_system.start_node(CHANNELGATE_ALLOWED_ORIGINS=f"{HERE},https://admin.shop.example")
    return module_system


@pytest.fixture
def web(served) -> Http:
    return Http(served.nodes[0].port)


async def test_every_route_answers_options_and_names_its_methods_with_and_without_a_slash(web):
    for path, allow in ROUTES.items():
        for spelling in (path, f"{path}/"):
            reply = await web.request("OPTIONS", spelling)
            assert (reply.status, reply.headers["allow"], reply.body) == (204, allow, b""), spelling
            for method in ("PUT", "DELETE", "PATCH", *(["GET", "HEAD"] if allow == POST else ["POST"])):
                reply = await web.request(method, spelling)
                assert (reply.status, reply.headers["allow"]) == (405, allow), (method, spelling)


async def test_head_is_get_without_its_body(web):
    access = mint(1, role="admin")
    for path in (*PUBLIC, "/api/user/ws-token", "/api/websocket/stats", "/api/tail"):
        token = API_KEY if path == "/api/tail" else access
        for spelling in (path, f"{path}/"):
            reply = await web.request("HEAD", spelling, token=token)
            assert (reply.status, reply.body) == (200, b""), spelling
            if path != "/api/tail":
                full = await web.get(spelling, token=token)
                assert full.status == 200 and full.body, spelling
                assert full.headers["content-type"] == reply.headers["content-type"], spelling
    assert (await web.post("/api/publish/", data=EVENT, token=API_KEY)).status == 200


async def test_no_and_wrong_credentials_get_401_with_the_scheme_and_others_403(web, served):
    secret, node = "a-token-that-is-wrong", served.nodes[0]
    counted = lambda reason: served.metric(node, "channelgate_api_refusals_total", reason=reason)  # noqa: E731
    before = {reason: counted(reason) for reason in ("credentials", "forbidden")}
    refused = {"credentials": 0, "forbidden": 0}
    for path, allow in ROUTES.items():
        if path in PUBLIC:
            continue
        method = allow.split(",")[0]
        for authorization in (None, "Bearer", f"Bearer {secret}", f"Basic {secret}", f"bearer {secret}"):
            headers = {} if authorization is None else {"Authorization": authorization}
            reply = await web.request(method, path, headers=headers)
            assert reply.status == 401 and reply.headers["www-authenticate"].startswith("Bearer"), (path, authorization)
            assert secret.encode() not in reply.body
            refused["credentials"] += 1
    # A user who is known and may not.
    for path, allow in ROUTES.items():
        if path.startswith("/api/websocket/") and path not in PUBLIC:
            reply = await web.request(allow.split(",")[0], path, token=mint(1, role="employee"))
            assert reply.status == 403, path
            refused["forbidden"] += 1
    assert {reason: counted(reason) - before[reason] for reason in before} == refused
    log = node.log.read_text
    for line in ("is refused with 401: send Authorization: Bearer", "api.admin_roles"):
        await until(lambda line=line: line in log(), f"the log to say {line!r}")
    assert secret not in log()


async def test_the_scheme_may_be_in_any_case_on_every_route(web):
    access = mint(1, role="admin")
    for scheme in ("Bearer", "bearer", "BEARER", "bEaReR"):
        for path, token in [
            ("/api/user/ws-token/", access),
            ("/api/websocket/stats", access),
            ("/api/publish", API_KEY),
            ("/api/tail", API_KEY),
            ("/api/websocket/disconnect", API_KEY),
        ]:
            headers = {"Authorization": f"{scheme} {token}"}
            method = {"/api/tail": "HEAD", "/api/publish": "POST", "/api/websocket/disconnect": "POST"}.get(path, "GET")
            data = {
                "/api/publish": EVENT,
                "/api/websocket/disconnect": {"user": 77},
            }.get(path)
            assert (await web.request(method, path, headers=headers, data=data)).status == 200, (scheme, path)


async def test_away_gets_503_with_retry_after(tmp_path, database):
    system = System(tmp_path, LAYERS["core"])
    try:
        web = Http(system.start_node().port)
        system.redis.kill()
        access = mint(1, role="admin")
        for method, path, token in [
            ("GET", "/api/user/ws-token/", access),
            ("GET", "/api/websocket/stats", access),
            ("POST", "/api/websocket/emit/1", access),
            ("POST", "/api/publish", API_KEY),
        ]:
            data = {"group": "x", "event": {"type": "x"}} if path == "/api/publish" else {"event": "x"}
            reply = await web.request(method, path, token=token, data=data if method == "POST" else None)
            assert reply.status == 503 and int(reply.headers["retry-after"]) >= 1, (path, reply)
    finally:
        system.stop()


def preflight(origin: str, headers: str = "authorization") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": headers,
    }


async def test_a_page_of_an_allowed_origin_gets_its_ws_token(web, served):
    for path in ("/api/user/ws-token/", "/api/user/ws-token"):
        for origin in (HERE, "https://admin.shop.example"):
            reply = await web.request("OPTIONS", path, headers=preflight(origin))
            allowed = {name: value for name, value in reply.headers.items() if name.startswith("access-control-")}
            assert reply.status == 204
            assert allowed["access-control-allow-origin"] == origin
            assert allowed["access-control-allow-headers"] == "authorization"
            assert "GET" in allowed["access-control-allow-methods"]
            assert allowed["access-control-allow-credentials"] == "true"
            assert "origin" in reply.headers["vary"].lower()
            # The page reads the token, and a refusal with its reason.
            for token, status in [(mint(1), 200), ("wrong", 401), (None, 401)]:
                reply = await web.get(path, headers={"Origin": origin}, token=token)
                assert (reply.status, reply.headers["access-control-allow-origin"]) == (status, origin), path
                assert "origin" in reply.headers["vary"].lower()
        for origin in ("https://evil.example", "null", "https://shop.example.evil.example", "http://shop.example"):
            reply = await web.request("OPTIONS", path, headers=preflight(origin))
            assert "access-control-allow-origin" not in reply.headers, origin
            reply = await web.get(path, headers={"Origin": origin}, token=mint(1))
            assert "access-control-allow-origin" not in reply.headers, origin
            assert "origin" in reply.headers["vary"].lower()


async def test_any_origin_is_allowed_without_credentials(system):
    web = Http(system.start_node(CHANNELGATE_ALLOWED_ORIGINS="*").port)
    reply = await web.request("OPTIONS", "/api/user/ws-token/", headers=preflight(HERE))
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers
    reply = await web.get("/api/user/ws-token/", headers={"Origin": HERE}, token=mint(1))
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "*")


async def test_a_command_takes_the_key_from_the_environment(served):
    """`tail` and `publish`, with either variable, and a flag goes before it."""
    port = served.nodes[0].port
    url = f"http://{stack.LOOPBACK}:{port}"
    # A node hears the events of groups that it has members of.
    member = await Client.open(port, "/ws/", origin=HERE)

    def run(*arguments: str, **env: str):
        command = [stack.binary(), *arguments, "--url", url]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=20, check=False)

    publish = ("publish", "nobody", '{"type": "x"}')
    for env in ({"CHANNELGATE_API_KEY": API_KEY}, {"CHANNELGATE__API__KEY": API_KEY}):
        ended = await asyncio.to_thread(run, *publish, **env)
        assert ended.returncode == 0, ended.stderr
        ended = await asyncio.to_thread(run, *publish, "--key", "wrong", **env)
        assert ended.returncode == 1 and "401" in ended.stderr
        tail = await asyncio.create_subprocess_exec(
            stack.binary(), "tail", "--json", "--url", url, env=env, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(20):
            line = asyncio.create_task(tail.stdout.readline())
            while not line.done():
                await Http(port).post("/api/publish", data=EVENT, token=API_KEY)
                await asyncio.wait([line], timeout=0.1)
        assert b'"broadcast"' in line.result(), line.result()
        tail.kill()
        await tail.wait()
    await member.close()
    ended = await asyncio.to_thread(run, *publish)
    assert ended.returncode == 1 and "401" in ended.stderr and "CHANNELGATE_API_KEY" in ended.stderr
