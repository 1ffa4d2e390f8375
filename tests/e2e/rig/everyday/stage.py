"""The ten projects of tests/django/everyday under Daphne and behind nodes, on one Redis and one database."""

import collections
import dataclasses
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import stack
from channelgate.shadow.run import Shadow
from channelgate.shadow.target import Target, Visitor

from ..http import Http
from ..log import whole_log
from ..system import LAYERS, System
from .projects import PROJECTS
from .visits import Change, Project, Visit

FOLDER = stack.ROOT / "tests" / "django" / "everyday"
MANAGE = FOLDER / "manage.py"
#: Silence after which a message is answered. The visits say how many frames come, so it only shows that no more do.
QUIET = 0.06
#: Times and arrivals may differ by this much: a machine of two cores runs thirty processes.
TOLERANCE = 10.0
#: A project with changes: its whole consumers, in Django.
BRIDGED = """
[[consumer]]
name = "{name}"
path = ["/ws/{name}/", "/ws/{name}/<path:rest>"]
django = true
"""
#: `manage.py channelgate init` with the settings of each project; two at a time.
INIT_EACH = """
import os, sys
from django.core.management import execute_from_command_line
import asgiref.sync, channels.consumer, channels_redis.core, django.db.models, redis.asyncio
folder, failed, running = os.environ["RUN_DIR"], 0, []
for name in sys.argv[1:]:
    if len(running) == 2:
        failed |= os.waitpid(running.pop(0), 0)[1]
    if (child := os.fork()) == 0:
        os.environ.update(DJANGO_SETTINGS_MODULE=f"{name}.settings", RUN_DIR=os.path.join(folder, name))
        os.mkdir(os.environ["RUN_DIR"])
        execute_from_command_line(["manage.py", "channelgate", "init"])
        sys.exit()
    running.append(child)
for child in running:
    failed |= os.waitpid(child, 0)[1]
sys.exit(failed != 0)
"""
#: A handshake may take as long as Django needs on a busy machine.
BUSY = {"CHANNELGATE__BACKEND__CONCURRENCY": "64"}


def environment(directory: Path, redis_url: str, layer: str, settings: str = "together.settings") -> dict[str, str]:
    """The environment of all their processes."""
    paths = (FOLDER, stack.ROOT / "clients" / "django" / "src")
    return {
        "DJANGO_SETTINGS_MODULE": settings,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SECRET_KEY": stack.SECRET_KEY,
        "CHANNELGATE_BACKEND_SECRET": stack.BACKEND_SECRET,
        "RUN_DIR": str(directory),
        "REDIS_URL": redis_url,
        "LAYER": layer,
    }


def configurations(directory: Path) -> dict[str, str]:
    """What `manage.py channelgate init` writes for each project; one process imports what all of them need."""
    names = [project.name for project in PROJECTS]
    done = subprocess.run(
        [stack.PYTHON, "-c", INIT_EACH, *names],
        env={**os.environ, **environment(directory, "redis://127.0.0.1:1/0", "core")},
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return {name: (directory / name / "channelgate.toml").read_text() for name in names}


@dataclasses.dataclass(frozen=True)
class Edit:
    """A line of a project that is another one in a second Django."""

    project: str
    file: str
    old: str
    new: str


class Everyday:
    """Redis, the database, Daphne on the left, and on the right a Django that only nodes call, with a node for each."""

    def __init__(self, directory: Path, layer: str = "core"):
        self.directory, self.layer = directory, layer
        self.system = System(directory, LAYERS[layer])
        self.env = environment(directory, self.system.redis_url, layer)
        self._seed()
        found = json.loads((directory / "people.json").read_text())
        self.people: dict[str, dict] = found["people"]
        self.rows: dict[str, object] = found["rows"]
        self.nodes: dict[str, stack.Part] = {}
        self.changed_nodes: dict[str, stack.Part] = {}
        #: Which of their sessions people use, for each project: a logout has ended the ones before.
        self.session: collections.Counter[str] = collections.Counter()
        self.left = self._django("daphne", "-m", "daphne", "--websocket_connect_timeout", "8", "-b", stack.LOOPBACK)
        self.right = self._django("bridge", "-m", "uvicorn", "--lifespan", "off", "--log-level", "warning")

    def _seed(self) -> None:
        argv = [stack.PYTHON, "-m", "together.seed"]
        done = subprocess.run(
            argv, env={**os.environ, **self.env}, cwd=self.directory, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def _django(self, name: str, *words: str, folder: Path = FOLDER) -> stack.Part:
        port = stack.free_port()
        argv = [stack.PYTHON, *words, "--port", str(port), "together.asgi:application"]
        env = {**self.env, "BRIDGE": "" if name == "daphne" else "1"}
        env["PYTHONPATH"] = env["PYTHONPATH"].replace(str(FOLDER), str(folder))
        ready = lambda: stack.http_status(port, "/alive/") == 200  # noqa: E731
        return self.system._start(stack.Part(name, argv, self.directory, ready, env, port), wait=False)

    def changed(self, *edits: Edit, more: Mapping[str, str]) -> stack.Part:
        """A second Django, from a copy of the projects in which some lines differ, and a node for each of those.

        `more` is for the configuration of single nodes.
        """
        folder = self.directory / "changed"
        shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in edits:
            path = folder / edit.project / edit.file
            text = path.read_text()
            assert edit.old in text, f"{edit.project}/{edit.file} has no {edit.old!r}"
            path.write_text(text.replace(edit.old, edit.new))
        words = ("-m", "uvicorn", "--lifespan", "off", "--log-level", "warning")
        django = self._django("changed", *words, folder=folder)
        self.system.django = django
        for name in sorted({edit.project for edit in edits if edit.project}):
            config = BRIDGED.format(name=name) + more.get(name, "")
            self.changed_nodes[name] = self.system.start_node(wait=False, config=config, **BUSY)
        return django

    def start_nodes(self, configurations: Mapping[str, str]) -> None:
        """A node for each project."""
        self.system.django, self.system.backend = self.right, "http"
        for name, config in configurations.items():
            self.nodes[name] = self.system.start_node(wait=False, config=config, **BUSY)

    def wait(self) -> "Everyday":
        """Until all serve."""
        self.system.wait()
        return self

    def complaints(self, name: str) -> list[str]:
        """What a project's node, and the two servers of Django, have logged besides what is usual."""
        found = [line for line in whole_log(self.nodes[name]).splitlines() if re.search(r"WARN|ERROR", line)]
        for django in (self.left, self.right):
            found += [f"{django.name}: {line}" for line in django.log.read_text().splitlines()[-20:]]
        return found

    def stop(self) -> None:
        """Ends all."""
        self.system.stop()

    def filled(self, text: str) -> str:
        """A text with the ids of rows: `{order}`."""
        for key, value in self.rows.items():
            text = text.replace(f"{{{key}}}", str(value))
        return text

    def filled_json(self, value: object) -> str:
        """A value as JSON, with the ids of rows as numbers."""
        text = json.dumps(value)
        for key, row in self.rows.items():
            text = text.replace(f'"{{{key}}}"', json.dumps(row))
        return text

    def visitor(self, project: Project, visit: Visit) -> Visitor:
        """Who opens the path, with the credential that the project wants."""
        person = self.people[visit.who] if visit.who else None
        origin = f"http://{stack.LOOPBACK}:{self.left.port}"
        if person is None:
            return Visitor(origin=origin)
        return Visitor(
            name=visit.who,
            headers=tuple(self._headers(project, person).items()) if project.login != "query" else (),
            token=person["jwt"] if project.login == "query" else None,
            origin=origin,
            ids=(str(person["id"]), *map(str, self.rows.values())),
        )

    def _headers(self, project: Project, person: Mapping) -> dict[str, str]:
        if project.login == "session":
            return {"Cookie": f"sessionid={person['sessions'][project.name][self.session[project.name]]}"}
        return {"Cookie": f"access={person['jwt']}"}

    def shadow(self, project: Project, visit: Visit, node: stack.Part | None = None, patience: float = 10) -> Shadow:
        """The visit on both sides."""
        path = self.filled(visit.path)
        right = node or self.nodes[project.name]
        sides = (Target(name, f"ws://{stack.LOOPBACK}:{part.port}", path) for name, part in self.sides(right))
        return Shadow(*sides, self.visitor(project, visit), QUIET, patience)

    def sides(self, node: stack.Part):
        """The names and the servers."""
        return ("left", self.left), ("right", node)

    async def change(self, project: Project, change: Change, port: int, made: dict) -> None:
        """A request to a view of the project."""
        person = self.people[change.who]
        headers = {"Authorization": f"Bearer {person['jwt']}", **self._headers(project, person)}
        path = self.filled(change.path)
        for key, value in made.items():
            path = path.replace(f"{{made.{key}}}", str(value))
        body = self.filled_json(change.body or {})
        headers["Content-Type"] = "application/json"
        reply = await Http(port).request(change.method, path, body=body.encode(), headers=headers)
        assert reply.status in (200, 201, 204), f"{project.name}: {change.method} {path}: {reply.status} {reply.body!r}"
        if change.method == "POST" and reply.status == 201:
            made.clear()
            made.update(reply.json())
