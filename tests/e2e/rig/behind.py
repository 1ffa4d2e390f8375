"""The project tests/django/behind under a server of its own, and a node in front of it."""

from pathlib import Path

import stack

from . import project
from .system import API_KEY, QUICK_DRAIN

CONFIG = """
[server]
{proxy}

[[consumer]]
path = "/ws/"
groups = ["all"]
[consumer.on_raw."*"]
reply_raw = "message"
[consumer.on_event."*"]
send = "event"
"""


class Behind:
    """A project behind a node; `server` is "daphne", or Django's own "runserver"."""

    def __init__(self, directory: Path, server: str):
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.port = stack.free_port()
        self.env = {**project.environment("behind", directory, ""), "DJANGO_SETTINGS_MODULE": "behind.settings"}
        words = {
            "daphne": ["-m", "daphne", "-b", stack.LOOPBACK, "-p", str(self.port), "behind.asgi:application"],
            "runserver": [stack.MANAGE, "runserver", "--noreload", "--skip-checks", f"{stack.LOOPBACK}:{self.port}"],
        }[server]
        ready = lambda: stack.http_status(self.port, "/") == 200  # noqa: E731
        self.django = stack.Part(server, [stack.PYTHON, *words], directory, ready, self.env, self.port)
        self.nodes: list[stack.Part] = []

    @property
    def url(self) -> str:
        return f"http://{stack.LOOPBACK}:{self.port}"

    def config(self, name: str, proxy: str | None) -> Path:
        """The file of a node, with this upstream or none."""
        file = self.directory / f"{name}.toml"
        file.write_text(CONFIG.format(proxy=f'proxy = "{proxy}"' if proxy else ""))
        return file

    def node(self, proxy: str | None = None, **env: str) -> stack.Part:
        """One more node, started; without Redis, so that nothing else is needed."""
        name = f"node{len(self.nodes)}"
        own = {"REDIS_URL": "", "DJANGO_SECRET_KEY": stack.SECRET_KEY, "CHANNELGATE_API_KEY": API_KEY}
        env = {**own, **QUICK_DRAIN, **env}
        config = self.config(name, proxy or self.url)
        self.nodes.append(stack.node(self.directory, stack.free_port(), env, name, config).start())
        return self.nodes[-1]

    def notes(self) -> list[str]:
        """What the project has noted."""
        file = self.directory / "notes.txt"
        return file.read_text().splitlines() if file.exists() else []

    def stop(self) -> None:
        for part in (*self.nodes, self.django):
            if part.process is not None:
                part.stop(grace=3)
