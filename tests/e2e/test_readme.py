"""Runs the README: every command, the consumer class beside its configuration, and the browser snippet."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import jwt
import pytest
import stack
from django.conf import settings
from django.template import Context, Engine
from django.test.utils import override_settings
from rig.browser import browser
from rig.client import Client, refusal, until
from rig.http import Http
from rig.logins import Logins
from rig.system import API_KEY, LAYERS, QUICK_DRAIN

if not settings.configured:
    settings.configure()

README = (stack.ROOT / "README.md").read_text()
DOCS = {name: (stack.ROOT / "docs" / name).read_text() for name in ("MOVING-FROM-CHANNELS.md", "WEBSOCKET.md")}

#: The variables that the README exports before the first command.
VARIABLES = (
    "REDIS_URL",
    "DJANGO_SECRET_KEY",
    "CHANNELGATE_BACKEND_SECRET",
    "CHANNELGATE_API_KEY",
    "CHANNELGATE_CONFIG",
)
PAGES = {"README.md": README, **DOCS}

#: The project of a reader of the README: two paths for HTTP, one consumer, and users of simplejwt.
PROJECT = {
    "manage.py": """
import os, sys
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
execute_from_command_line(sys.argv)
""",
    "shop/__init__.py": "",
    "shop/settings.py": """
import os
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "channels"]
ROOT_URLCONF = "shop.urls"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
    }
}
{settings}
""",
    "shop/notes.py": """
from types import SimpleNamespace
def save_note(text):
    return SimpleNamespace(id=len(text))
""",
    "shop/urls.py": """
import json
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from .notes import save_note
{view}
urlpatterns = [path("gate/<str:action>", call)]
""",
    "shop/consumers.py": """
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from .notes import save_note
{consumer}
""",
    "shop/asgi.py": """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
from django.core.asgi import get_asgi_application
http = get_asgi_application()
from types import SimpleNamespace
from urllib.parse import parse_qs
from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib.auth.models import AnonymousUser
from django.urls import path
from rest_framework_simplejwt.tokens import AccessToken
from .consumers import OrderConsumer

def with_token(app):
    async def inner(scope, receive, send):
        token = parse_qs(scope["query_string"].decode()).get("token")
        user = SimpleNamespace(id=AccessToken(token[0])["user_id"], is_anonymous=False) if token else AnonymousUser()
        return await app({**scope, "user": user}, receive, send)
    return inner

orders = URLRouter([path("ws/orders/<int:id>/", with_token(OrderConsumer.as_asgi()))])
application = ProtocolTypeRouter({"http": http, "websocket": orders})
{asgi}
""",
}


#: For the configuration of "Who it is, and who gets it": the consumer that stays in Django, with sessions.
POLL = """
from logins.asgi import Counted, http
import itertools
from channelgate import bridge
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

calls = itertools.count(1)

class PollConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("poll_{id}".format(**self.scope["url_route"]["kwargs"]), self.channel_name)
        await self.accept()

    async def poll_results(self, event):
        await self.send_json({"results": event["of"], "call": next(calls)})

polls = URLRouter([path("ws/poll/<int:id>/", PollConsumer.as_asgi())])
application = Counted(bridge(ProtocolTypeRouter({"http": http, "websocket": AuthMiddlewareStack(polls)})))
"""


def block(page: str, language: str, of: str = "") -> str:
    """The only block of code in this language, or the one with this text."""
    [code] = [code for code in re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.M | re.S) if of in code]
    return code


def added_to(file: str) -> str:
    """What the README adds to a file of the project."""
    parts = re.split(r"^# (\w+\.py).*\n", block("README.md", "python", "bridge(application)"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[file]


def commands() -> list[str]:
    """Every command line of the README, without its comment."""
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S)).splitlines()
    return [line for line in (re.sub(r"(^|\s+)# .*", "", line).strip() for line in lines) if line]


def command(beginning: str) -> str:
    """The README's command with this text or beginning."""
    lines = commands()
    [found] = [line for line in lines if line == beginning] or [
        line for line in lines if re.match(rf"{re.escape(beginning)}[ =]", line)
    ]
    return found


class Project:
    """A folder with the Django project and the README's configuration, and the environment that the README sets."""

    def __init__(self, directory: Path, redis_url: str):
        self.directory = directory
        parts = {
            "view": block("MOVING-FROM-CHANNELS.md", "python"),
            "consumer": block("README.md", "python", "class"),
            "settings": added_to("settings.py"),
            "asgi": added_to("asgi.py"),
        }
        for name, text in PROJECT.items():
            file = directory / name
            file.parent.mkdir(exist_ok=True)
            for part, code in parts.items():
                text = text.replace(f"{{{part}}}", code)
            file.write_text(text)
        (directory / "channelgate.toml").write_text(block("README.md", "toml", "the class beside this"))
        # The same consumer without Python.
        (directory / "native.toml").write_text(block("MOVING-FROM-CHANNELS.md", "toml", "save_note"))
        programs = directory / "bin"
        programs.mkdir()
        (programs / "channelgate").symlink_to(stack.binary())
        self.port, self.django_port = stack.free_port(), stack.free_port()
        config = command("export CHANNELGATE_CONFIG").partition("=")[2]
        values = (redis_url, stack.SECRET_KEY, stack.BACKEND_SECRET, API_KEY, config)
        self.env = {
            "PATH": f"{programs}:{stack.PYTHON.parent}:{os.environ['PATH']}",
            "CHANNELGATE_LISTEN": f"{stack.LOOPBACK}:{self.port}",
            "CHANNELGATE_BACKEND_URL": f"http://{stack.LOOPBACK}:{self.django_port}/channelgate",
            **dict(zip(VARIABLES, values, strict=True)),
            **QUICK_DRAIN,
        }

    def run(self, line: str) -> subprocess.CompletedProcess:
        """Types a line of the README into a shell."""
        shell = ["bash", "-c", line]
        done = subprocess.run(shell, cwd=self.directory, env=self.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done

    def part(self, name: str, line: str, ready, **env: str) -> stack.Part:
        """Runs a line of the README that does not end by itself."""
        return stack.Part(name, ["bash", "-c", f"exec {line}"], self.directory, ready, {**self.env, **env})


@pytest.fixture
def project(system, tmp_path):
    """The project under Daphne, the README's node, and a node that needs no Python."""
    directory = tmp_path / "project"
    directory.mkdir()
    project = Project(directory, system.redis_url)
    assert "valid" in project.run(command("channelgate check")).stdout
    daphne = f"python -m daphne -b {stack.LOOPBACK} -p {project.django_port} shop.asgi:application"
    ready = {
        "node": lambda: stack.http_status(project.port, "/health/ready") == 200,
        "daphne": lambda: stack.http_status(project.django_port, "/") == 404,
    }
    project.node = project.part("node", command("channelgate"), ready["node"])
    project.native_port = stack.free_port()
    native = project.part(
        "native",
        command("channelgate"),
        lambda: stack.http_status(project.native_port, "/health/ready") == 200,
        CHANNELGATE_CONFIG="native.toml",
        CHANNELGATE_LISTEN=f"{stack.LOOPBACK}:{project.native_port}",
        CHANNELGATE_BACKEND_URL=f"http://{stack.LOOPBACK}:{project.django_port}/gate",
    )
    for part in (project.node, native, project.part("daphne", daphne, ready["daphne"])):
        system.parts.append(part.start())
    system.wait()
    return project


async def test_the_five_minutes(project):
    token = project.run(command("channelgate token")).stdout.strip()
    assert jwt.decode(token, stack.SECRET_KEY, ["HS256"])["user_id"] == "7"
    path = f"/ws/orders/7/?token={token}"
    ports = {"daphne": project.django_port, "node": project.port, "native": project.native_port}
    clients = {name: await Client.open(port, path) for name, port in ports.items()}

    tail = project.part("tail", command("channelgate tail"), lambda: True).start()
    try:
        lines = lambda: tail.log.read_text().splitlines()  # noqa: E731

        # The first lines may be those of the first event after the connect.
        async def is_followed() -> bool:
            await asyncio.to_thread(project.run, command("channelgate publish"))
            return any("delivered" in line and "order_7" in line for line in lines())

        await until(is_followed, "the event in the tail", pause=0.3)
        await asyncio.to_thread(project.run, command("python"))
        await until(lambda: any("from core" in line for line in lines()), "Django's event in the tail")
    finally:
        tail.stop(grace=5)

    sent = {"type": "status", "to": "sent"}
    for client in clients.values():
        await client.wait(lambda client: sent in client.json(), "what Django sent")
    assert {"type": "status", "to": "paid"} in clients["node"].json(), "what the command published"

    # Under Daphne, run by Django behind a node, and without Python it is the same consumer.
    answers = {}
    for name, client in clients.items():
        client.frames.clear()
        for message in ({"type": "ping"}, {"type": "note", "text": "three"}, {"type": "unknown"}, {"type": "ping"}):
            await client.send(message)
        answers[name] = await client.count(3)
        await client.close()
    assert answers["daphne"] == [{"type": "pong"}, {"type": "saved", "id": 5}, {"type": "pong"}]
    assert answers["node"] == answers["native"] == answers["daphne"]
    assert {await refusal(port, "/ws/orders/7/") for port in ports.values()} == {403}


@pytest.fixture
def board(tmp_path):
    """A project with sessions under Daphne, and a node with "Who it is, and who gets it"."""
    directory = tmp_path / "board"
    board = Logins(directory, "poll:application")
    (directory / "poll.py").write_text(POLL)
    try:
        board.django.start()
        board.node(text=block("README.md", "toml", 'auth = ["django"]'))
        yield board.wait()
    finally:
        board.stop()


async def test_who_it_is_and_who_gets_it(board):
    people = {name: await board.login(name) for name in ("anna", "ben", "carl")}
    ids = {name: str(person["id"]) for name, person in people.items()}
    assert await refusal(board.nodes[0].port, "/ws/board/7/") == 403
    clients = {}
    for name, person in people.items():
        client = await board.open("/ws/board/7/", person["session"])
        # Those who came before, then everybody who comes.
        here, online = await client.count(2)
        assert (sorted(here["here"]), online) == (sorted(ids[name] for name in clients), {"online": person["id"]})
        clients[name] = client

    token = signed_by_the_tag(user=int(ids["anna"]))
    for name in ("anna", "ben"):
        await clients[name].send({"type": "open", "token": token})
    layer = LAYERS["core"].publisher(board.redis_url)
    try:
        # Ben has sent Anna's token.
        async def has_opened() -> bool:
            await layer.group_send("card_3", {"type": "comment", "author": 0, "readers": list(every), "text": "card"})
            return any("card" in frame for frame in clients["anna"].frames)

        every = [person["id"] for person in people.values()]
        await until(has_opened, "the group that was signed")
        comment = {"type": "comment", "author": people["anna"]["id"], "readers": every[:2], "text": "hello"}
        await layer.group_send("board_7", comment)
        for name in ("a", "b"):
            await layer.group_send("board_7", {"type": "typing", "name": name})
        await layer.group_send("board_7", {"type": "archived"})
        ended = {name: await client.gone() for name, client in clients.items()}
        assert {code for code, _ in ended.values()} == {4001}, ended
        for client in clients.values():
            client.frames[:] = [frame for frame in client.frames if "here" not in frame and "online" not in frame]
        rest = [{"typing": "a"}, {"archived": 7}]
        of_anna = [frame for frame in clients["anna"].json() if frame != {"comment": "card"}]
        assert of_anna == rest, "without her own comment"
        assert clients["ben"].json() == [{"comment": "hello"}, *rest], "without the group that was signed for Anna"
        assert clients["carl"].json() == rest, "without a comment that he may not read"

        polls = [await board.open("/ws/poll/5/", person["session"]) for person in people.values()]
        for number in (1, 2):
            await layer.group_send("poll_5", {"type": "poll.results", "of": number})
        for poll in polls:
            assert await poll.count(2) == [{"results": number, "call": number} for number in (1, 2)]
    finally:
        await layer.close_pools()


def signed_by_the_tag(user: int) -> str:
    """What the tag of the README gives on a page of this user."""
    [tag] = re.findall(r"{% channelgate_group .*?%}", README)
    engine = Engine(libraries={"channelgate": "channelgate.templatetags.channelgate"})
    with override_settings(CHANNELGATE={"SECRET": stack.BACKEND_SECRET}):
        return engine.from_string("{% load channelgate %}" + tag).render(Context({"user": user}))


async def test_the_snippet_in_a_browser(project):
    token = project.run(command("channelgate token")).stdout.strip()
    async with browser() as page:
        await page.goto(f"http://{stack.LOOPBACK}:{project.port}/health/ready")
        await page.run("window.said = []; console.log = (...words) => said.push(words); 0")
        await page.run(f"const accessToken = {json.dumps(token)};\n{block('WEBSOCKET.md', 'js', 'accessToken')}\n0")
        await until(lambda: page.run("socket.readyState === WebSocket.OPEN"), "the socket to open")
        await asyncio.to_thread(project.run, command("channelgate publish"))
        await until(lambda: page.run("said.length"), "the event")
        assert await page.run("said") == [[{"type": "status", "to": "paid"}]]
        project.node.signal(signal.SIGTERM)
        await until(lambda: page.run("said.length > 1"), "the end")
        assert (await page.run("said"))[1] == [1012, "connect again, after a random wait"]


async def test_the_loop_that_reconnects(project):
    token = project.run(command("channelgate token")).stdout.strip()
    async with browser() as page:
        await page.goto(f"http://{stack.LOOPBACK}:{project.port}/health/ready")
        options = f"{{ token: async () => {json.dumps(token)}, onMessage: (m) => got.push(m), onOpen: () => opened++ }}"
        loop = block("WEBSOCKET.md", "js", "export function").removeprefix("export ")
        await page.run(f'var got = [], opened = 0; {loop}\nvar end = connect("/ws/orders/7/", {options}); 0')
        await until(lambda: page.run("opened === 1"), "the socket to open")
        project.node.stop()
        project.node.asked = False
        project.node.start().wait()
        await until(lambda: page.run("opened === 2"), "the socket to open again")
        await asyncio.to_thread(project.run, command("channelgate publish"))
        await until(lambda: page.run("got.length"), "the event")
        assert await page.run("got") == [{"type": "status", "to": "paid"}]
        await page.run("end()")
        # With session cookies there is no token, and no query.
        recorded = "class extends WebSocket { constructor(url) { super(url); window.url = url; } }"
        await page.run(f'window.WebSocket = {recorded}; connect("/ws/orders/7/", {{}})(); 0')
        assert await page.run("url") == f"ws://{stack.LOOPBACK}:{project.port}/ws/orders/7/"


async def test_the_location_of_nginx(project, system, tmp_path):
    port = stack.free_port()
    location = block("MOVING-FROM-CHANNELS.md", "nginx").replace("127.0.0.1:8000", f"{stack.LOOPBACK}:{project.port}")
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        f"pid {tmp_path}/nginx.pid; events {{}}\n"
        f"http {{ access_log off; server {{ listen {stack.LOOPBACK}:{port};\n{location} }} }}\n"
    )
    user = "user root; " if os.geteuid() == 0 else ""
    argv = [stack.tool("nginx"), "-p", tmp_path, "-c", configuration, "-e", tmp_path / "error.log"]
    system.parts.append(
        stack.Part("nginx", [*argv, "-g", f"{user}daemon off;"], tmp_path, lambda: stack.listening(port))
    )
    system.parts[-1].start().wait()
    token = project.run(command("channelgate token")).stdout.strip()
    client = await Client.open(port, f"/ws/orders/7/?token={token}")
    await client.send({"type": "ping"})
    assert await client.count(1) == [{"type": "pong"}]
    await client.close()


@pytest.fixture
def checkout(tmp_path):
    """A copy of what `make build` and `make run` need; the compiler is a stand-in that gives the node under test."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    shutil.copy(stack.ROOT / "Makefile", checkout)
    shutil.copytree(stack.ROOT / "scripts", checkout / "scripts")
    cargo = tmp_path / "cargo"
    cargo.write_text(f"#!/bin/sh\nmkdir -p target/release && cp {stack.binary()} target/release/channelgate\n")
    cargo.chmod(0o755)
    env = {**os.environ, "CARGO": str(cargo), "MAKEFLAGS": "", **QUICK_DRAIN}
    return checkout, {name: value for name, value in env.items() if name not in ("CARGO_TARGET_DIR", "REDIS_URL")}


def test_the_built_program_is_on_the_path(checkout):
    directory, env = checkout
    line = "; ".join(["set -e", command("make build"), command("export PATH"), "channelgate --version"])
    done = subprocess.run(["bash", "-c", line], cwd=directory, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"channelgate \d+\.\d+\.\d+", done.stdout.splitlines()[-1])


async def test_a_first_look(checkout):
    directory, env = checkout
    env["CHANNELGATE_LISTEN"] = f"{stack.LOOPBACK}:{stack.free_port()}"
    part = stack.Part("make", command("make run").split(), directory, lambda: "/#key=" in part.tail(100), env)
    try:
        part.start().wait(60)
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)/#key=", part.tail(100))[1])
        assert stack.http_status(port, "/") == 200, "the live page"
    finally:
        part.stop()


async def test_the_demonstration(checkout, tmp_path):
    """With what the tests have installed and built: nothing is asked of a registry."""
    directory, env = checkout
    for name in (".venv", "clients", "nginx", "tests"):
        (directory / name).symlink_to(stack.ROOT / name)
    first = stack.free_port(7)
    ports = dict(
        zip(
            ("HTTP_PORT", "DJANGO_PORT", "REDIS_PORT", "CONTROL_PORT", "NODE_PORT"),
            range(first, first + 5),
            strict=True,
        )
    )
    env |= {name: str(port) for name, port in ports.items()} | {"UP_DIR": str(tmp_path / "run")}
    part = stack.Part(
        "make", command("make demo").split(), directory, lambda: "The demonstration runs" in part.tail(100), env
    )
    try:
        part.start().wait(100)
        page = await Http(first).get("/")
        assert page.status == 200 and b'id="root"' in page.body, page
        sent = tmp_path / "run" / "sent.jsonl"
        await until(lambda: sent.exists() and sent.read_text(), "something to happen")
    finally:
        # Ctrl-C reaches make and all that it has started.
        os.killpg(part.pid, signal.SIGINT)
        part.join(60)
    assert not any(map(stack.listening, ports.values()))


def test_the_package_of_the_readme_is_that_of_this_checkout():
    [name] = set(re.findall(r"`pip install \"?(\w+)", README))
    assert f'name = "{name}"' in (stack.ROOT / "pyproject.toml").read_text()


def test_the_continuous_integration_runs_the_tests():
    assert command("make test") in (stack.ROOT / ".ci" / "run").read_text()


def test_every_command_of_the_readme_is_run_by_a_test():
    """Each `command("…")` above stands for one; the variables are those of the project."""
    run = {command(beginning) for beginning in re.findall(r'[^`]command\("([^"…]+)"\)', Path(__file__).read_text())}
    variables = {line for line in commands() if re.match(rf"export ({'|'.join(VARIABLES)})=", line)}
    assert len(variables) == len(VARIABLES)
    assert set(commands()) == run | variables, "a command that no test runs"


def test_every_code_block_of_the_readme_is_tested():
    languages = re.findall(r"^```(\w*)", README, re.M)
    assert sorted(language for language in languages if language) == [
        "mermaid",
        "python",
        "python",
        "sh",
        "sh",
        "toml",
        "toml",
        "tsx",  # clients/tests/documents, clients/tests/real/readme.test.tsx
    ]
    assert len(README.splitlines()) <= 160
