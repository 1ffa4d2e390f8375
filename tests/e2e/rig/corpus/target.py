"""A target: a server, or nodes in front of a server, with a Redis and a database of its own."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import stack

from ..system import LAYERS, System
from .routes import CONFIG

PYTHON = sys.executable
#: How each server is started; the bridge's are the last three.
SERVERS = {
    # A busy machine may need more than Daphne's five seconds for a connect.
    "daphne": ["-m", "daphne", "--websocket_connect_timeout", "8", "-b", stack.LOOPBACK, "-p"],
    "uvicorn": ["-m", "uvicorn", "--lifespan", "off", "--log-level", "warning", "--host", stack.LOOPBACK, "--port"],
    "gunicorn": ["-m", "gunicorn", "--threads", "16", "--log-level", "warning", "--bind"],
}
#: No connection counts the calls of others: many consumers are called at once.
BUSY = {"CHANNELGATE__BACKEND__CONCURRENCY": "64"}


def make_database(directory: Path) -> Path:
    """The directory with the corpus's database, and with everybody's credentials."""
    result = subprocess.run(
        [PYTHON, "-m", "corpus.seed"],
        env={**os.environ, **environment(directory, "redis://127.0.0.1:1/0")},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return directory


def environment(directory: Path, redis_url: str, **more: str) -> dict[str, str]:
    """The environment of the corpus's processes."""
    return {
        **stack.django_env(directory, redis_url),
        "DJANGO_SETTINGS_MODULE": "corpus.settings",
        "PYTHONPATH": os.pathsep.join(map(str, (stack.ROOT / "tests/django", stack.ROOT / "clients/django/src"))),
        # The order of a set of texts is the same everywhere.
        "PYTHONHASHSEED": "0",
        **more,
    }


_LIST = """
import django; django.setup()
from corpus.asgi import application
from corpus.routing import websocket_urlpatterns
def walk(routes):
    for route in routes:
        found = route.callback
        while hasattr(found, "inner") or hasattr(found, "app"):
            found = getattr(found, "inner", None) or found.app
        if hasattr(found, "routes"):
            walk(found.routes)
        else:
            kind = getattr(found, "consumer_class", found)
            print(f"{kind.__module__}.{kind.__qualname__}")
walk(websocket_urlpatterns)
"""


def consumers() -> list[str]:
    """The class at each route of the corpus; a plain application by its function."""
    env = {**os.environ, **environment(Path(os.devnull).parent, "redis://127.0.0.1:1/0")}
    return subprocess.run([PYTHON, "-c", _LIST], env=env, capture_output=True, text=True, check=True).stdout.split()


class Target:
    """Its ports and its data. Clients of one scenario are spread over the nodes."""

    def __init__(self, name: str, directory: Path, layer: str, seed: Path):
        self.name = name
        directory.mkdir(parents=True, exist_ok=True)
        self.system = System(directory, LAYERS[layer])
        self.directory = directory
        self.layer = layer
        for file in ("corpus.sqlite3", "people.json"):
            shutil.copy(seed / file, directory)
        self.people = json.loads((directory / "people.json").read_text())
        with contextlib.closing(self.database()) as database:
            database.execute("PRAGMA journal_mode = wal")

    def serve(self, server: str, application: str = "corpus.asgi:application", bridge: bool = False) -> "Target":
        """Starts the project under this server; `wait` waits for it."""
        port = stack.free_port()
        env = environment(self.directory, self.system.redis_url, LAYER=self.layer, BRIDGE="1" if bridge else "")
        where = f"{stack.LOOPBACK}:{port}" if server == "gunicorn" else port
        argv = [PYTHON, *SERVERS[server], where, application]
        ready = lambda: stack.http_status(port, "/api/alive/") == 200  # noqa: E731
        self.system.django = self.system._start(
            stack.Part("django", argv, self.directory, ready, env, port), wait=False
        )
        return self

    def nodes(self, number: int) -> "Target":
        """Starts nodes with `django = true` for every route of the corpus."""
        self.system.backend = "http"
        for _ in range(number):
            self.system.start_node(wait=False, config=CONFIG, **BUSY)
        return self

    def wait(self) -> "Target":
        self.system.wait()
        return self

    @property
    def ports(self) -> list[int]:
        """Where its clients connect."""
        return [node.port for node in self.system.nodes] or [self.http_port]

    @property
    def http_port(self) -> int:
        return self.system.django.port

    def database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.directory / "corpus.sqlite3", timeout=20)

    def query(self, sql: str) -> list[dict]:
        with contextlib.closing(self.database()) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(sql)]

    def stop(self) -> None:
        self.system.stop()
