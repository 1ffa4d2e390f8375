"""`manage.py channelgate shadow` on real servers: it finds planted differences, and nothing else."""

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import sqlite3

import pytest
import stack
from rig.client import until
from rig.everyday import MANAGE, Edit, Everyday
from rig.everyday_visits import PROJECTS, Change

pytestmark = pytest.mark.parametrize("everyday", ["core"], indirect=True)
PROJECT = {project.name: project for project in PROJECTS}
EQUAL, DIFFERENT, NOT_COMPARED = 0, 1, 2


@dataclasses.dataclass
class Run:
    """A command that has begun."""

    process: asyncio.subprocess.Process

    async def end(self) -> tuple[int, str]:
        """Its exit status, and all that it has printed."""
        async with asyncio.timeout(40):
            out, _ = await self.process.communicate()
        return self.process.returncode, out.decode()


class Command:
    """The command, with the servers of the tests."""

    def __init__(self, everyday: Everyday):
        self.everyday = everyday

    async def begin(self, path: str, *words: str, left: int | None = None, right: int | None = None, **env: str) -> Run:
        ports = {"left": left or self.everyday.left.port, "right": right}
        sides = [word for side, port in ports.items() for word in (f"--{side}", f"ws://{stack.LOOPBACK}:{port}")]
        argv = ["channelgate", "shadow", "--path", self.everyday.filled(path), *sides, "--quiet", "0.2", *words]
        return Run(
            await asyncio.create_subprocess_exec(
                stack.PYTHON,
                MANAGE,
                *argv,
                env={**os.environ, **self.everyday.env, **env},
                cwd=self.everyday.directory,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        )

    async def __call__(self, *words: str, **more) -> tuple[int, str]:
        return await (await self.begin(*words, **more)).end()

    def id(self, who: str) -> str:
        return str(self.everyday.people[who]["id"])

    def sessions(self) -> int:
        """How many the database has."""
        with contextlib.closing(sqlite3.connect(self.everyday.directory / "everyday.sqlite3", timeout=20)) as database:
            return database.execute("SELECT count(*) FROM django_session").fetchone()[0]

    def script(self, *steps: dict) -> str:
        path = self.everyday.directory / f"script-{len(list(self.everyday.directory.iterdir()))}.json"
        path.write_text(self.everyday.filled_json(steps))
        return str(path)


@pytest.fixture
def shadow(everyday):
    return Command(everyday)


async def test_it_listens_to_live_traffic_as_a_user_and_finds_no_difference(shadow, everyday):
    before = shadow.sessions()
    node = everyday.nodes["orders"].port
    run = await shadow.begin("/ws/orders/", "--user", shadow.id("carl"), "--seconds", "3", "--json", right=node)
    await until(lambda: shadow.sessions() == before + 1, "a session is made")
    made: dict = {}
    while run.process.returncode is None:
        for change in PROJECT["orders"].changes[:3]:
            await everyday.change(PROJECT["orders"], change, everyday.left.port, made)
        await asyncio.sleep(0.05)
    status, text = await run.end()
    assert status == EQUAL, text
    found = json.loads(text)
    assert found["equal"] and found["differences"] == []
    assert found["same"] == found["left"]["frames"] >= 10
    assert found["latency"]["behind"]["right"]["count"] == found["same"]
    assert [side["connections"][0]["status"] for side in (found["left"], found["right"])] == [101, 101]
    assert shadow.sessions() == before


async def test_a_script_is_sent_to_both_and_secrets_are_not_printed(shadow, everyday):
    steps = [
        {"send": {"action": "create", "title": "Sweep"}, "others": 1},
        {"send": {"action": "list"}},
        {"send": {"action": "close"}, "closes": True},
        {"reconnect": True},
    ]
    token = everyday.people["anna"]["jwt"]
    words = ("/ws/tasks/", "--token", "env:TOKEN", "--seconds", "0", "--script", shadow.script(*steps))
    node = everyday.nodes["tasks"].port
    done = [shadow(*words, right=node, TOKEN=token), shadow(*words, "--json", right=node, TOKEN=token)]
    # Each creates tasks: one after the other.
    (status, text), (also, document) = await done[0], await done[1]
    assert (status, also) == (EQUAL, EQUAL), text + document
    assert "ok    handshake: 101, without a subprotocol, and 1 more" in text
    assert "ok    close: both sides closed with 4000" in text
    assert "answer to a message: left p50 " in text and text.rstrip().endswith("No difference.")
    found = json.loads(document)
    assert found["same"] >= 6 and found["latency"]["answer"]["left"]["count"] >= 2
    assert token not in text + document and "/ws/tasks/ as a client with a token" in text


#: In the code of the right: what differs, who sees it, by what, and what is reported.
PLANTED = {
    "a changed handler": (
        Edit("orders", "consumers.py", '"action": event["action"]', '"action": event["action"].upper()'),
        ("carl", "/ws/orders/", (), "carl", PROJECT["orders"].changes[0]),
        ("differs", '$.action: left "created", right "CREATED"'),
    ),
    "a missing group": (
        Edit("notifications", "consumers.py", "await self.channel_layer.group_add(self.group, self.channel_name)", ""),
        ("anna", "/ws/notifications/", (), "anna", PROJECT["notifications"].changes[0]),
        ("only left", '"title": "Hello"'),
    ),
    "a changed close code": (
        Edit("feed", "consumers.py", "code=4003", "code=4001"),
        ("anna", "/ws/feed/", (), None, None),
        ("close", "left closed with 4003, right closed with 4001"),
    ),
    "a refusal that is missing": (
        Edit("helpdesk", "mixins.py", 'if not getattr(self.scope["user"], "is_staff", False):', "if False:"),
        ("anna", "/ws/helpdesk/queue/", (), None, None),
        ("handshake", "status: left 403, right 101"),
    ),
    "a sender that is not left out": (
        Edit("chat", "consumers.py", 'if self.channel_name != event["sender_channel_name"]:', "if True:"),
        ("anna", "/ws/chat/attic/", ({"send": {"type": "typing"}, "frames": 0, "others": 1},), None, None),
        ("only right", '{"type": "typing", "username": "anna"}'),
    ),
    "an answer that is missing": (
        Edit("delivery", "consumers.py", 'if text_data == "ping":', 'if text_data == "pong":'),
        ("", "/ws/delivery/{tracking}/", ({"text": "ping", "frames": 1},), None, None),
        ("only left", '"pong"'),
    ),
    "a message that is not published": (
        Edit("polls", "consumers.py", 'f"poll_{self.slug}", {"type": "poll.results"}', '"p", {"type": "poll.results"}'),
        ("anna", "/ws/polls/lunch/", ({"send": {"choice": "{choice}"}, "frames": 1, "others": 1},), None, None),
        ("only right", "Pizza: 1"),
    ),
}


@pytest.fixture(scope="module")
def changed(everyday):
    """A second Django whose code differs, behind nodes of its own."""
    everyday.changed(*(edit for edit, _, _ in PLANTED.values()))
    return everyday.wait()


@pytest.mark.parametrize("name", PLANTED)
async def test_a_planted_difference_is_found(changed, everyday, shadow, name):
    edit, (who, path, steps, by, change), (kind, text) = PLANTED[name]
    words = ["--seconds", "1" if change else "0", "--json", "--tolerance", "1"]
    if who:
        words += ["--user", shadow.id(who)]
    if steps:
        words += ["--script", shadow.script(*steps)]
    node = everyday.changed_nodes[edit.project]
    before = shadow.sessions()
    run = await shadow.begin(path, *words, right=node.port)
    if change:
        await until(lambda: shadow.sessions() == before + 1, "a session is made")
        while run.process.returncode is None:
            await everyday.change(PROJECT[edit.project], dataclasses.replace(change, who=by), everyday.left.port, {})
            await asyncio.sleep(0.1)
    status, document = await run.end()
    assert status == DIFFERENT, document
    found = json.loads(document)["differences"]
    assert any(one["kind"] == kind and text in one["text"] for one in found), document


async def test_what_cannot_be_compared_is_said_in_plain_words(shadow, everyday, tmp_path):
    node, empty = everyday.nodes["orders"].port, stack.free_port()
    broken = tmp_path / "broken.json"
    broken.write_text('[{"sendd": 1}]')
    cases = [
        (("/ws/orders/",), {"right": empty}, f"right ws://{stack.LOOPBACK}:{empty} does not answer: "),
        (("/ws/orders/",), {"left": empty, "right": node}, f"left ws://{stack.LOOPBACK}:{empty} does not answer: "),
        (("/ws/orders/", "--user", "99"), {"right": node}, "--user 99: no user has this primary key"),
        (("/socket.io/",), {"right": node}, "--path /socket.io/: this is a Socket.IO path."),
        (("/ws/", "--script", str(broken)), {"right": node}, 'step 1: "sendd" is not a key of a step.'),
        (("/ws/", "--ignore", "at"), {"right": node}, "--ignore at: write a path such as $.at"),
        (("/ws/",), {"right": everyday.system.redis.port}, "does not speak WebSocket"),
    ]
    answers = await asyncio.gather(*(shadow(*words, **more) for words, more, _ in cases))
    for (words, _, expected), (status, text) in zip(cases, answers, strict=True):
        assert status == NOT_COMPARED, (words, text)
        assert expected in text, (words, text)
        assert "Traceback" not in text


async def test_a_client_that_both_refuse_is_not_called_a_success(shadow, everyday):
    node = everyday.nodes["orders"].port
    status, text = await shadow("/ws/orders/", "--user", shadow.id("ben"), "--seconds", "9", right=node)
    assert status == EQUAL
    assert "ok    handshake: both sides refuse with 403" in text
    assert text.rstrip().endswith("No difference, but both sides refuse this client: no frame was compared.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_with_the_report_so_far(shadow, everyday, number):
    before = shadow.sessions()
    node = everyday.nodes["polls"].port
    run = await shadow.begin("/ws/polls/lunch/", "--user", shadow.id("anna"), "--seconds", "600", right=node)
    await until(lambda: shadow.sessions() == before + 1, "a session is made")
    await until(lambda: everyday.system.metric(everyday.nodes["polls"], "channelgate_connections") >= 1, "it is open")
    run.process.send_signal(number)
    status, text = await run.end()
    assert (status, shadow.sessions()) == (EQUAL, before), text
    assert text.rstrip().endswith("No difference.")


async def test_a_logout_that_ends_the_nodes_connection_is_seen(everyday, shadow):
    """Daphne keeps the socket: with `LOGOUT` the node does more than the consumer."""
    project = PROJECT["feed"]
    one = everyday.shadow(project, project.visits[1])
    await one.open()
    logout = Change("POST", project.logout, who="dora")
    await everyday.change(project, logout, everyday.right.port, {})
    await one.settle(1)
    assert one.is_open, "LOGOUT is False in the projects"
    await one.finish()
