"""`manage.py channelgate shadow` on real servers: it finds planted differences, and nothing else."""

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import signal
import sqlite3
import subprocess

import pytest
import stack
from channelgate.shadow.compare import compare
from channelgate.shadow.run import Wanted
from channelgate.shadow.script import parse
from rig.client import until
from rig.everyday.projects import PROJECTS
from rig.everyday.stage import MANAGE, Edit, Everyday
from rig.everyday.visits import Change, Visit, say

# The core layer of channels_redis may lose a message when a connection ends: that would be a difference.
pytestmark = pytest.mark.parametrize("everyday", ["pubsub"], indirect=True)
PROJECT = {project.name: project for project in PROJECTS}
EQUAL, DIFFERENT, NOT_COMPARED = 0, 1, 2


def by(who: str, change: Change) -> Change:
    """The same request by another user."""
    return dataclasses.replace(change, who=who)


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
    run = await shadow.begin(
        "/ws/orders/", "--user", shadow.id("carl"), "--seconds", "12", "--json", "--tolerance", "10", right=node
    )
    await until(lambda: shadow.sessions() == before + 1, "a session is made")
    made: dict = {}
    while run.process.returncode is None:
        for change in PROJECT["orders"].changes[:3]:
            await everyday.change(PROJECT["orders"], by("ben", change), everyday.left.port, made)
        await asyncio.sleep(0.05)
    status, text = await run.end()
    assert status == EQUAL, text
    found = json.loads(text)
    assert found["equal"] and found["differences"] == []
    # The left is opened first, and the end cuts what comes: not every frame has something to be compared with.
    assert found["left"]["frames"] >= found["same"] >= 10
    assert found["latency"]["behind"]["right"]["count"] >= 5
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
    words = (
        "/ws/tasks/",
        "--token",
        "env:TOKEN",
        "--seconds",
        "0",
        "--tolerance",
        "10",
        "--script",
        shadow.script(*steps),
    )
    status, text = await shadow(*words, right=everyday.nodes["tasks"].port, TOKEN=token)
    assert status == EQUAL, text
    assert "ok    handshake: 101, without a subprotocol, and 1 more" in text
    assert "ok    close: both sides closed with 4000" in text
    assert "answer to a message: left p50 " in text and text.rstrip().endswith("No difference.")
    assert "ok    frames: 6 frames the same on both sides" in text
    assert token not in text and "/ws/tasks/ as a client with a token" in text


#: In the code of the right: what differs, who sees it, by what, and what is reported.
PLANTED = {
    "a changed handler": (
        Edit("orders", "consumers.py", '"action": event["action"]', '"action": event["action"].upper()'),
        Visit("carl", "/ws/orders/"),
        by("ben", PROJECT["orders"].changes[0]),
        ("differs", '$.action: left "created", right "CREATED"'),
    ),
    "a missing group": (
        Edit("notifications", "consumers.py", "await self.channel_layer.group_add(self.group, self.channel_name)", ""),
        Visit("ben", "/ws/notifications/", opens=1),
        by("ben", PROJECT["notifications"].changes[0]),
        ("only left", '"title": "Hello"'),
    ),
    "a changed close code": (
        Edit("feed", "consumers.py", "code=4003", "code=4001"),
        Visit("anna", "/ws/feed/", opens=1, closes=True),
        None,
        ("close", "left closed with 4003, right closed with 4001"),
    ),
    "a refusal that is missing": (
        Edit("helpdesk", "mixins.py", 'if not getattr(self.scope["user"], "is_staff", False):', "if False:"),
        Visit("ben", "/ws/helpdesk/queue/"),
        None,
        ("handshake", "status: left 403, right 101"),
    ),
    "a sender that is not left out": (
        Edit("chat", "consumers.py", 'if self.channel_name != event["sender_channel_name"]:', "if True:"),
        Visit("ben", "/ws/chat/attic/", (say(0, 1, type="typing"),), opens=1, arrives=1),
        None,
        ("only right", '{"type": "typing", "username": "ben"}'),
    ),
    "another answer": (
        Edit("delivery", "consumers.py", 'if text_data == "ping":', 'if text_data == "pong":'),
        Visit("", "/ws/delivery/{tracking}/", ({"text": "ping", "frames": 1},), opens=1),
        None,
        ("only left", '"pong"'),
    ),
    "a message that is not published": (
        Edit("polls", "consumers.py", 'f"poll_{self.slug}", {"type": "poll.results"}', '"p", {"type": "poll.results"}'),
        Visit("ben", "/ws/polls/lunch/", (say(1, 1, choice="{choice}"),), opens=1),
        None,
        ("only right", "Pizza: "),
    ),
    "a greeting too many": (
        Edit("presence", "consumers.py", "await self.accept()\n", "await self.accept()\n        await self.greet()\n"),
        Visit("ben", "/ws/presence/lobby/", opens=2),
        None,
        ("only right", '{"type": "hello"}'),
    ),
}
GREET = Edit(
    "presence",
    "consumers.py",
    "    async def user_status(",
    '    async def greet(self):\n        await self.send_json({"type": "hello"})\n\n    async def user_status(',
)
#: Settings of the right: a logout ends what the node has.
LOGOUT = Edit("", "base.py", '"DISCONNECT_ON_LOGOUT": False', '"DISCONNECT_ON_LOGOUT": True')


@pytest.fixture(scope="module")
def changed(everyday):
    """A second Django whose code differs, behind nodes of its own."""
    edits = [edit for edit, *_ in PLANTED.values()]
    django = everyday.changed(*edits, GREET, LOGOUT, more={"feed": 'auth = ["django"]\n'})
    everyday.wait()
    return django


@pytest.mark.parametrize("name", PLANTED)
async def test_a_planted_difference_is_found(changed, everyday, name):
    edit, visit, change, (kind, text) = PLANTED[name]
    project = PROJECT[edit.project]
    shadow = everyday.shadow(project, visit, everyday.changed_nodes[edit.project], patience=4)
    await shadow.open(Wanted(visit.opens, visit.arrives, visit.closes))
    for step in parse(json.loads(everyday.filled_json(visit.script)), name):
        await shadow.say(step)
    if change:
        await everyday.change(project, change, everyday.left.port, {})
        await shadow.until(lambda: shadow.heard[0] > 0, 30)
        # The other side hears it, too, except where just that is the difference.
        await shadow.settle(5)
    found = compare(await shadow.finish(), tolerance=10)
    assert any(one.kind == kind and text in one.text for one in found.findings), found.findings


async def test_a_logout_that_ends_the_nodes_connection_is_seen(changed, everyday):
    """Daphne keeps the socket: with `DISCONNECT_ON_LOGOUT` and `auth` the node does more than the consumer."""
    project = PROJECT["feed"]
    shadow = everyday.shadow(project, Visit("eva", "/ws/feed/"), everyday.changed_nodes["feed"])
    await shadow.open(Wanted(1))
    assert shadow.is_open
    await everyday.change(project, Change("POST", project.logout, who="eva"), changed.port, {})
    await shadow.until(lambda: not shadow.is_open, 30)
    found = compare(await shadow.finish(), tolerance=10).findings
    assert [one.text for one in found] == ["left stays open, right closed with 4403"]


async def test_a_difference_is_the_exit_status(changed, everyday, shadow):
    words = ("--user", shadow.id("anna"), "--seconds", "9")
    status, text = await shadow("/ws/feed/", *words, right=everyday.changed_nodes["feed"].port)
    assert status == DIFFERENT, text
    assert "FAIL  close\n      close (at " in text
    assert "left closed with 4003, right closed with 4001\n" in text
    assert text.rstrip().endswith("The sides differ: 1 difference.")


ONE_BY_ONE = """
import json, sys
from django.core.management import execute_from_command_line
for words in json.load(sys.stdin):
    try:
        execute_from_command_line(["manage.py", "channelgate", "shadow", *words])
        print("status", 0, flush=True)
    except SystemExit as end:
        print("status", end.code, flush=True)
"""


def test_what_cannot_be_compared_is_said_in_plain_words(everyday, tmp_path):
    node, daphne = (f"ws://{stack.LOOPBACK}:{part.port}" for part in (everyday.nodes["orders"], everyday.left))
    nobody, redis = (f"ws://{stack.LOOPBACK}:{port}" for port in (stack.free_port(), everyday.system.redis.port))
    broken = tmp_path / "broken.json"
    broken.write_text('[{"sendd": 1}]')
    cases = {
        ("/ws/orders/", daphne, nobody): f"right {nobody} does not answer: ",
        ("/ws/orders/", nobody, node): f"left {nobody} does not answer: ",
        ("/ws/orders/", daphne, node, "--user", "99"): "--user 99: no user has this primary key",
        ("/socket.io/", daphne, node): "--path /socket.io/: this is a Socket.IO path.",
        ("/ws/", daphne, node, "--script", str(broken)): '--script broken.json, step 1: "sendd" is not a key of',
        ("/ws/", daphne, node, "--ignore", "at"): "--ignore at: write a path such as $.at",
        ("/ws/", daphne, redis): f"right {redis} does not speak WebSocket",
        ("/ws/", daphne, "nowhere"): "--right nowhere: write the address of a server, such as ws://127.0.0.1:8001",
    }
    words = [["--path", path, "--left", left, "--right", right, *more] for path, left, right, *more in cases]
    done = subprocess.run(
        [stack.PYTHON, "-c", ONE_BY_ONE],
        input=json.dumps(words),
        env={**os.environ, **everyday.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    answers = re.split(r"status (\d)\n", done.stdout)
    assert answers[1::2] == [str(NOT_COMPARED)] * len(cases), done.stdout
    for expected, text in zip(cases.values(), answers[::2], strict=False):
        assert text.startswith(expected) and text.count("\n") == 1, text


async def test_a_client_that_both_refuse_is_not_called_a_success(shadow, everyday):
    node = everyday.nodes["orders"].port
    status, text = await shadow("/ws/orders/", "--user", shadow.id("ben"), "--seconds", "9", right=node)
    assert status == EQUAL
    assert "ok    handshake: both sides refuse with 403" in text
    assert text.rstrip().endswith("No difference, but both sides refuse this client: no frame was compared.")


async def test_a_signal_ends_it_with_the_report_so_far(shadow, everyday):
    before = shadow.sessions()
    node = everyday.nodes["polls"]
    words = ("/ws/polls/lunch/", "--user", shadow.id("anna"), "--seconds", "600")
    runs = [await shadow.begin(*words, right=node.port) for _ in range(2)]
    opened = lambda: everyday.system.metric(node, "channelgate_connections") >= 2  # noqa: E731
    await until(opened, "both are open")
    assert shadow.sessions() == before + 2
    for run, number in zip(runs, (signal.SIGINT, signal.SIGTERM), strict=True):
        run.process.send_signal(number)
    for status, text in [await run.end() for run in runs]:
        assert status == EQUAL, text
        assert text.rstrip().endswith("No difference.")
    assert shadow.sessions() == before
