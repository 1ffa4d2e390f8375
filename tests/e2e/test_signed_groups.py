"""Clients join what Django has rendered into a page: no call, and nothing but what Django signed for this user."""

import base64
import functools
import json
import re
import time
from pathlib import Path

import pytest
import stack
from django.conf import settings
from django.test.utils import override_settings
from rig import project
from rig.client import DEADLINE, Client, until
from rig.demo import mint_access
from rig.http import Http
from rig.log import whole_log
from rig.sio import Sockets

if not settings.configured:
    settings.configure()

import channelgate
from channelgate import signed_group

# A busy machine may take longer to answer than the three seconds that an application waits.
ajoin, aleave = (functools.partial(order, timeout=DEADLINE) for order in (channelgate.ajoin, channelgate.aleave))

STEPS = """
join_token = "{token}"
denied = {denied}
failed = {failed}
"""
FAILURES = {"denied": "\"{'denied': true}\"", "failed": "\"{'failed': true}\""}
CONFIG = f"""
[[consumer]]
name = "board"
path = "/ws/board/"
auth = ["jwt"]
groups = ["user_{{{{ user.id }}}}"]
max_rooms = 3
[consumer.on_connect]
when = "query.join is defined"
{STEPS.format(token="query.join", **FAILURES)}
reply = "{{'joined': true}}"
[consumer.on_event.note]
send = "event.text"
[consumer.on_message.join]
{STEPS.format(token="message.token", **FAILURES)}
reply = "{{'joined': true}}"
[consumer.on_message.leave]
leave = "board.{{{{ message.id }}}}"
reply = "{{'left': true}}"

[[consumer]]
name = "public"
path = "/ws/public/"
auth = ["anonymous"]
groups = ["lobby"]
[consumer.on_event.note]
send = "event.text"
[consumer.on_message.join]
{STEPS.format(token="message.token", **FAILURES)}
reply = "{{'joined': true}}"

[[consumer]]
name = "rooms"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
[consumer.on_event.note]
emit = {{ event = "note", data = "event.text" }}
[consumer.on_message.join]
join_token = "args[0]"
denied = {{ event = "denied", data = "true" }}
ack = "'joined'"
"""
BRIDGED = f"""
[[consumer]]
name = "django"
path = "/ws/django/"
django = true
[consumer.on_message.join]
{STEPS.format(token="message.token", **FAILURES)}
reply = "{{'joined': true}}"
"""
NOTED = re.compile(rb'data-(\w+)="([^"]*)"')


class Pages:
    """The site, and its visitors."""

    def __init__(self, directory: Path, redis_url: str):
        self.port = stack.free_port()
        env = project.environment("pages", directory, redis_url)
        project.migrate(directory, env)
        argv = [stack.PYTHON, "-m", "daphne", "-b", stack.LOOPBACK, "-p", str(self.port), "pages.asgi:application"]
        ready = lambda: stack.http_status(self.port, "/") == 404  # noqa: E731
        self.part = stack.Part("pages", argv, directory, ready, env, self.port)

    async def log_in(self, who: str) -> tuple[str, dict[str, str]]:
        """The id of the user, and the headers with the session."""
        reply = await Http(self.port).get(f"/login/{who}/")
        return reply.body.decode(), {"Cookie": reply.headers["set-cookie"].partition(";")[0]}

    async def visit(self, board: str, who: str | None = None, **query) -> tuple[str | None, dict[str, str]]:
        """The id of the user, and the tokens on the page."""
        identity, headers = await self.log_in(who) if who else (None, {})
        asked = "&".join(f"{key}={value}" for key, value in query.items())
        page = await Http(self.port).get(f"/board/{board}/?{asked}", headers=headers)
        assert page.status == 200, page
        return identity, {name.decode(): token.decode() for name, token in NOTED.findall(page.body)}


@pytest.fixture(scope="module")
def two(module_system):
    """The site, and two nodes that run its consumer."""
    pages = Pages(module_system.directory, module_system.redis_url)
    module_system._start(pages.part, wait=False)
    for _ in range(2):
        module_system.start_node(wait=False, config=CONFIG + BRIDGED, **stack.backend_env(pages.port))
    module_system.wait()
    module_system.pages = pages
    with override_settings(CHANNELGATE={"REDIS_URL": module_system.redis_url, "SECRET": stack.BACKEND_SECRET}):
        yield module_system


def opened(node: stack.Part, user, path: str = "/ws/board/", more: str = ""):
    return Client.open(node.port, f"{path}?token={mint_access(user)}{more}")


async def answer(client: Client, message) -> dict:
    number = sum(frame.startswith("{") for frame in client.frames) + 1
    await client.send(message)
    await client.wait(lambda client: sum(frame.startswith("{") for frame in client.frames) == number, "an answer")
    return [frame for frame in client.json() if isinstance(frame, dict)][-1]


async def join(client: Client, token) -> str:
    (outcome,) = await answer(client, {"type": "join", "token": token})
    return outcome


def outcomes(system, outcome: str) -> float:
    return sum(system.metric(node, "channelgate_join_tokens_total", outcome=outcome) for node in system.nodes)


async def test_a_client_joins_what_django_has_rendered_into_its_page(two, driver):
    anna, of_anna = await two.pages.visit("board.7", "anna")
    ben, of_ben = await two.pages.visit("board.7", "ben")
    _, of_nobody = await two.pages.visit("board.7")
    assert anna != ben
    clients = [await opened(node, anna) for node in two.nodes]
    for client in clients:
        assert await join(client, of_anna["group"]) == "joined"
    with_query = await opened(two.nodes[0], anna, more=f"&join={of_anna['group']}")
    assert await with_query.count(1) == [{"joined": True}]
    only = await opened(two.nodes[1], anna)
    assert await join(only, of_anna["only"]) == "joined"
    # The same token again is no harm, nor is a second one.
    assert await join(only, of_anna["group"]) == "joined"
    public = await Client.open(two.nodes[0].port, "/ws/public/")
    for tokens in (of_anna, of_nobody):
        assert await join(public, tokens["public"]) == "joined"
    assert await join(public, of_nobody["group"]) == "joined"
    sockets = Sockets(driver, "js-websocket")
    socket = await sockets.start(two.nodes[1].port, mint_access(ben))
    await socket.opened()
    assert await socket.ask("join", of_ben["group"]) == ["joined"]
    async with two.publisher() as layer:
        await layer.group_send("board.7", {"type": "note", "text": "seen"})
    for client in (*clients, with_query, only, public):
        await client.wait(lambda client: '"seen"' in client.frames, "the note")
        assert client.frames.count('"seen"') == 1
    assert await socket.data("note") == "seen"
    # Left again by its name.
    assert await answer(only, {"type": "leave", "id": 7}) == {"left": True}
    # What is for another user or consumer is refused, also of a user who sees the same page.
    refused = outcomes(two, "user"), outcomes(two, "consumer")
    assert await join(clients[0], of_ben["group"]) == "denied"
    assert await join(clients[0], of_nobody["public"]) == "denied"
    assert await join(public, of_anna["group"]) == "denied"
    assert await join(public, of_nobody["only"]) == "denied"
    await socket.emit("join", of_anna["group"])
    assert await socket.data("denied") is True
    assert (outcomes(two, "user"), outcomes(two, "consumer")) == (refused[0] + 4, refused[1] + 1)
    for client in (*clients, with_query, only, public):
        await client.close()
    await sockets.close_all()


async def test_a_token_ends_with_its_time_and_with_an_order_to_leave(two):
    carl, short = await two.pages.visit("board.8", "carl", expires="0.4")
    client = await opened(two.nodes[0], carl)
    await until(lambda: time.time() * 1000 > _expiry(short["group"]), "the end of the token")
    assert await join(client, short["group"]) == "denied"
    _, tokens = await two.pages.visit("board.8", "carl")
    assert await join(client, tokens["group"]) == "joined"
    # A reconnect with the page's old token does not bring the access back, on any node.
    assert (await aleave(carl, "board.8")).changed == 1
    again = await opened(two.nodes[1], carl)
    for one in (client, again):
        assert await join(one, tokens["group"]) == "denied"
    assert outcomes(two, "left") == 2
    # For another group, and once Django has signed anew, it does.
    _, other = await two.pages.visit("board.9", "carl")
    _, fresh = await two.pages.visit("board.8", "carl")
    for tokens in (other, fresh):
        assert await join(client, tokens["group"]) == "joined"
    for one in (client, again):
        await one.close()


def _expiry(token: str) -> int:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["e"]


async def test_hostile_tokens_are_denied_counted_and_never_logged(two):
    client = await opened(two.nodes[0], 7)
    good = signed_group("board.3", 7)
    head, payload, mac = good.split(".")
    other = ("B" if mac[0] == "A" else "A") + mac[1:]
    hostile = {
        "missing": ["", None, 7, True, {}],
        "malformed": [
            ["x"],
            "x",
            head,
            f"{head}.{payload}",
            f"cg2.{payload}.{mac}",
            f"{good}=",
            f" {good}",
            good * 100,
            "\u0000",
            "😀" * 1000,
        ],
        "signature": [f"{head}.{payload}.", f"{head}.{payload}x.{mac}", f"{head}.{payload}.{other}", f"{head}..{mac}"],
        "group": [signed_group("not a group", 7), signed_group("x" * 100, 7)],
    }
    for outcome, tokens in hostile.items():
        before = outcomes(two, outcome)
        for token in tokens:
            assert await join(client, token) == "denied", token
        assert outcomes(two, outcome) - before == len(tokens), outcome
    # A token that is not named at all, too.
    assert await answer(client, {"type": "join"}) == {"denied": True}
    metric = "channelgate_refused_messages_total"
    assert two.metric(two.nodes[0], metric, reason="join_denied") >= sum(map(len, hostile.values()))
    await until(lambda: "a signed group is refused" in two.nodes[0].log.read_text(), "the line in the log")
    log = whole_log(two.nodes[0])
    assert mac not in log and other not in log and payload not in log
    # The connection goes on.
    assert await join(client, good) == "joined"
    await client.close()


async def test_several_tokens_are_all_valid_or_none_is_joined(two):
    client = await opened(two.nodes[0], 70)
    good = [signed_group(f"board.{number}", 70) for number in range(3)]
    assert await join(client, [*good[:2], signed_group("board.2", 71)]) == "denied"
    assert await join(client, []) == "joined"
    assert await join(client, good) == "joined"
    # The rules of `join`: no more rooms than max_rooms.
    assert await join(client, signed_group("board.4", 70)) == "failed"
    async with two.publisher() as layer:
        for number in (4, 2):
            await layer.group_send(f"board.{number}", {"type": "note", "text": f"{number}"})
    await client.wait(lambda client: '"2"' in client.frames, "the note")
    assert '"4"' not in client.frames
    await client.close()


async def test_consumers_that_django_runs_join_and_leave_as_well(two):
    """By an order, and by a signed group, in whatever way they had joined."""
    dora, headers = await two.pages.log_in("dora")
    _, tokens = await two.pages.visit("board.7", "dora")
    clients = [
        await Client.open(node.port, "/ws/django/", additional_headers=headers) for node in two.nodes for _ in range(2)
    ]
    for client in clients:
        assert await client.count(1) == [{"hello": "dora"}]
        assert await join(client, tokens["group"]) == "joined"
    assert (await ajoin(dora, "elsewhere")).changed == 4
    async with two.publisher() as layer:
        for group in ("everybody", "board.7", "elsewhere"):
            await layer.group_send(group, {"type": "note", "text": group})
        for client in clients:
            await client.wait(lambda client: '"elsewhere"' in client.frames, "the note")
            assert [frame for frame in client.frames if frame[0] == '"'] == ['"everybody"', '"board.7"', '"elsewhere"']
        for group in ("everybody", "board.7"):
            assert (await aleave(dora, group)).changed == 4
            await layer.group_send(group, {"type": "note", "text": "secret"})
        await layer.group_send("elsewhere", {"type": "note", "text": "end"})
    for client in clients:
        await client.wait(lambda client: '"end"' in client.frames, "the end")
        assert '"secret"' not in client.frames
        # The consumer's own join asks Django anew.
        await client.send({"again": "board.7"})
        await client.wait(lambda client: '{"again": "board.7"}' in client.frames, "the answer")
    async with two.publisher() as layer:
        await layer.group_send("board.7", {"type": "note", "text": "back"})
    for client in clients:
        await client.wait(lambda client: '"back"' in client.frames, "the note")
        assert client.frames.count('"back"') == 1
        await client.close()


async def test_nothing_joins_while_redis_is_away(system):
    node = system.start_node(config=CONFIG)
    # Django's own key signs where nothing else is shared.
    with override_settings(CHANNELGATE={"SECRET": stack.SECRET_KEY}):
        token = signed_group("board.1", 7)
    client = await opened(node, 7)
    system.redis.stop(grace=5)
    await until(lambda: Http(node.port).request_now("GET", "/health/ready").status == 503, "the node to notice")
    assert await join(client, token) == "failed"
    system.restart_redis()
    await until(lambda: Http(node.port).request_now("GET", "/health/ready").status == 200, "the node to be ready")
    assert await join(client, token) == "joined"
    await client.close()


async def test_secrets_are_exchanged_without_a_moment_in_which_a_token_is_refused(system):
    """Django knows both secrets first; then each node gets the new one."""
    steps = [("old", "old"), ("new,old", "old"), ("new,old", "new"), ("new", "new")]
    nodes = {}
    for secret in ("old", "new"):
        env = {"CHANNELGATE_BACKEND_SECRET": secret, "DJANGO_SECRET_KEY": "other"}
        nodes[secret] = system.start_node(wait=False, config=CONFIG, **env)
    system.wait()
    for django, node in steps:
        with override_settings(CHANNELGATE={"SECRET": django.split(",")}):
            client = await Client.open(nodes[node].port, "/ws/public/")
            assert await join(client, signed_group("board.1")) == "joined", (django, node)
            await client.close()
    with override_settings(CHANNELGATE={"SECRET": "old"}):
        client = await Client.open(nodes["new"].port, "/ws/public/")
        assert await join(client, signed_group("board.1")) == "denied"
        await client.close()
