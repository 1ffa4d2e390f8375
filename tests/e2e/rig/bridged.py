"""A copy of tests/django/faults under an ASGI server, and nodes that run its consumers."""

import contextlib
import hashlib
import hmac
import json
import shutil
import sqlite3
import time
from pathlib import Path

import redis
import stack

from . import project
from .client import Client
from .http import Http
from .system import API_KEY, LAYERS, QUICK_DRAIN

CONFIG = """
[limits]
admission_timeout = "{admission}"

[bridge]
timeout = "{timeout}"
wait = "{wait}"

[[consumer]]
path = "/ws/<str:room>/<str:who>/"
django = {django}
"""


class Faults:
    """Redis, the project under uvicorn, and nodes."""

    def __init__(self, directory: Path):
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.folder = directory / "project"
        shutil.copytree(
            project.PROJECTS / "faults", self.folder / "faults", ignore=shutil.ignore_patterns("__pycache__")
        )
        self.redis = stack.redis(directory, stack.free_port()).start().wait()
        self.redis_url = f"redis://{stack.LOOPBACK}:{self.redis.port}/0"
        self.port = stack.free_port()
        self.env = project.environment("faults", directory, self.redis_url, self.folder)
        project.migrate(directory, self.env)
        self.nodes: list[stack.Part] = []
        self.django = self.server(
            "-m", "uvicorn", "faults.asgi:application", "--port", str(self.port), "--no-access-log"
        )

    @property
    def url(self) -> str:
        """Where nodes call it."""
        return f"http://{stack.LOOPBACK}:{self.port}/channelgate"

    def server(self, *words: str) -> stack.Part:
        """The project under a server; not started yet."""
        ready = lambda: stack.http_status(self.port, "/") == 404  # noqa: E731
        return stack.Part("django", [stack.PYTHON, *words], self.directory, ready, self.env, self.port)

    def node(
        self,
        admission: str = "15s",
        timeout: str = "30s",
        wait: str = "30s",
        more: str = "",
        django: str = "true",
        **env: str,
    ) -> stack.Part:
        """One more node."""
        name = f"node{len(self.nodes)}"
        config = self.directory / f"{name}.toml"
        config.write_text(CONFIG.format(admission=admission, timeout=timeout, wait=wait, django=django) + more)
        env = {
            "REDIS_URL": self.redis_url,
            "CHANNELGATE_API_KEY": API_KEY,
            "CHANNELGATE_BACKEND_URL": self.url,
            "CHANNELGATE_BACKEND_SECRET": stack.BACKEND_SECRET,
            "CHANNELGATE__LAYER__CAPACITY": "10000",
            **QUICK_DRAIN,
            **env,
        }
        self.nodes.append(stack.node(self.directory, stack.free_port(), env, name, config))
        return self.nodes[-1].start()

    def wait(self) -> None:
        """Until all that was started serves."""
        for part in (self.django, *self.nodes):
            if part.running:
                part.wait()

    def restart(self) -> None:
        """Django anew, with what its files are now."""
        self.django.start()

    def stop(self) -> None:
        for part in (*self.nodes, self.django, self.redis):
            if part.process is not None:
                part.stop(grace=3)

    def change(self, file: str, old: str, new: str) -> None:
        """A deployment."""
        path = self.folder / "faults" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    @contextlib.contextmanager
    def database(self):
        connection = sqlite3.connect(self.directory / "faults.sqlite3", timeout=20)
        try:
            yield connection
            connection.commit()
        finally:
            connection.close()

    def rows(self, what: str, who: str = "%") -> list[tuple[str, int]]:
        """What the consumer has written: who, and the code."""
        with self.database() as database:
            sql = "SELECT who, code FROM faults_row WHERE what = ? AND who LIKE ? ORDER BY id"
            return database.execute(sql, (what, who)).fetchall()

    def add_row(self, what: str, who: str) -> None:
        with self.database() as database:
            database.execute("INSERT INTO faults_row (what, who, code) VALUES (?, ?, 0)", (what, who))

    def layer_is_empty(self) -> bool:
        """Every message for a channel has been received by the process that has the channel."""
        with redis.from_url(self.redis_url) as server:
            return not [key for key in server.scan_iter("asgispecific*", count=1000) if not key.endswith(b"$inflight")]

    def publisher(self, redis_url: str | None = None):
        return LAYERS["core"].publisher(redis_url or self.redis_url, capacity=10_000)

    async def open(self, node: stack.Part, room: str, who: str = "somebody", **options) -> Client:
        # The node refuses a client in its own time.
        return await Client.open(node.port, f"/ws/{room}/{who}/", **{"open_timeout": 70, **options})

    async def metric(self, node: stack.Part, name: str, **labels: str) -> float:
        """The sum of the series with this name and these labels."""
        total = 0.0
        for line in (await Http(node.port).get("/metrics")).body.decode().splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
                total += float(value)
        return total

    async def call(
        self, body: dict, *, secret: str = stack.BACKEND_SECRET, at: float | None = None, signed: bool = True
    ):
        """A call as a node makes it: the status, and the lines of the answer."""
        text = json.dumps({"v": 1, "consumer": "c", **body})
        stamp = str(int(time.time() if at is None else at))
        digest = hmac.new(secret.encode(), f"{stamp}.{text}".encode(), hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json"}
        if signed:
            headers |= {"X-Channelgate-Timestamp": stamp, "X-Channelgate-Signature": f"sha256={digest}"}
        reply = await Http(self.port).request("POST", "/channelgate/channels", body=text.encode(), headers=headers)
        is_answer = reply.status == 200
        return reply.status, [json.loads(line) for line in reply.body.splitlines()] if is_answer else []


def log_of(part: stack.Part) -> str:
    return part.log.read_text(errors="replace")
