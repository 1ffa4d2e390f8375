"""The live page of a node without any configuration: the five systems, and where its tokens are valid."""

import json
import re
import time

import pytest
import stack
from rig.browser import browser
from rig.client import DEADLINE, refusal, until
from rig.http import Http

#: The five systems on the page: the name of each card, and the event that it receives.
SYSTEMS = {
    "dashboard": "general_attendance_update",
    "feed": "client_create",
    "parking": "new_parking_lot",
    "repair-shop": "work_order_updated",
    "tracker": "session-stats-update",
}

#: The received events of a card, as text.
RECEIVED = """
[...document.querySelectorAll('[data-testid=frame][data-consumer="%s"][data-direction=in]')]
    .map((row) => row.textContent).join(' ')
"""

STATES = """
Object.fromEntries([...document.querySelectorAll('[data-testid=consumer]')]
    .map((card) => [card.dataset.name, card.dataset.state]))
"""


def start(directory, **env: str):
    """A node with no other settings."""
    nothing = ("REDIS_URL", "CHANNELGATE_API_KEY", "DJANGO_SECRET_KEY")
    env = {**dict.fromkeys(nothing, ""), **env}
    return stack.node(directory, stack.free_port(), env, ready="/health/ready").start().wait()


@pytest.fixture
def embedded(tmp_path):
    """The node that `make run` starts."""
    node = start(tmp_path)
    yield node
    node.stop(5)


def printed(node) -> tuple[str, str]:
    """The address of the page that the node prints, and the key in it."""
    deadline = time.monotonic() + DEADLINE
    while not (found := re.search(r"(http://\S+/)#key=([A-Za-z0-9_-]{20,})", node.log.read_text())):
        assert time.monotonic() < deadline, node.log.read_text()
        time.sleep(0.02)
    return found[0], found[2]


async def test_the_five_systems_are_on_the_page_within_the_first_minute(embedded):
    address, _ = printed(embedded)
    async with browser() as page:
        started = time.monotonic()
        await page.goto(address)
        await until(lambda: page.run("!document.getElementById('try').disabled"), "the page to be filled")
        await page.run("document.getElementById('try').click()")
        status = "document.getElementById('try-status').textContent"
        await until(lambda: page.run(f"/arrived/.test({status})"), "everything to be tried", 40)
        assert "9 events published, 9 arrived" in await page.run(status)
        states = await page.run(STATES)
        assert {name: states.get(name) for name in SYSTEMS} == dict.fromkeys(SYSTEMS, "open")
        for name, expected in SYSTEMS.items():
            received = await page.run(RECEIVED % name)
            wanted = "A new parking lot" if name == "parking" else expected
            assert wanted in received, f"{name}: {received}"
        assert page.errors == []
        assert time.monotonic() - started < 60


async def token(node, key: str, **claims: str) -> str:
    data = {"user_id": 7, "method": "jwt", "claims": claims}
    reply = await Http(node.port).post("/page/token", data=data, token=key)
    assert reply.status == 200, reply.body
    return reply.json()["jwt"]


async def test_a_token_of_the_page_opens_connections_of_its_node_and_nothing_else(embedded, tmp_path):
    _, key = printed(embedded)
    made = await token(embedded, key, role="admin", name="Ada")
    (tmp_path / "other").mkdir()
    settings = {"DJANGO_SECRET_KEY": stack.SECRET_KEY, "CHANNELGATE__PRESET__FEED__AUTH": "jwt"}
    other = start(tmp_path / "other", **settings)
    try:
        own = await token(other, printed(other)[1], role="admin")
        assert await refusal(other.port, f"/ws/?token={own}") == 101
        assert await refusal(other.port, f"/ws/?token={made}") == 403, "another node's"
        for node, bearer in ((embedded, made), (other, own)):
            api = Http(node.port)
            for method, path in (
                ("GET", "/api/websocket/stats"),
                ("GET", "/api/user/ws-token/"),
                ("POST", "/api/websocket/disconnect"),
                ("POST", "/api/publish"),
                ("POST", "/page/token"),
            ):
                reply = await api.request(method, path, data={"user": 7} if method == "POST" else None, token=bearer)
                assert reply.status in (401, 403, 503), f"{path}: {reply.status}"
    finally:
        other.stop(5)


async def test_no_token_is_created_if_a_backend_would_act_for_its_user(tmp_path):
    node = start(tmp_path, CHANNELGATE_BACKEND_URL=f"http://{stack.LOOPBACK}:9/")
    try:
        key = printed(node)[1]
        reply = await Http(node.port).post("/page/token", data={"user_id": 7, "method": "jwt"}, token=key)
        assert (reply.status, reply.json()["field"]) == (400, "method")
        described = (await Http(node.port).get("/page/consumers")).json()
        assert described["tokens"] == ["ws_token"], json.dumps(described)
    finally:
        node.stop(5)
