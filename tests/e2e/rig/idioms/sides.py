"""Where a scenario runs: Daphne, and a node that has the configuration and the same project as its backend."""

import dataclasses
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import stack

from ..system import LAYERS, System
from .document import Section, configuration, write

SERVERS = {
    "daphne": ["-m", "daphne", "-b", stack.LOOPBACK, "-p"],
    "uvicorn": ["-m", "uvicorn", "--lifespan", "off", "--log-level", "warning", "--host", stack.LOOPBACK, "--port"],
}


def environment(directory: Path, project: Path, redis_url: str, **more: str) -> dict[str, str]:
    paths = (project, stack.ROOT / "tests/django", stack.ROOT / "clients/django/src")
    return {
        **stack.django_env(directory, redis_url),
        "DJANGO_SETTINGS_MODULE": "office.settings",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PROJECT": str(project),
        **more,
    }


@dataclasses.dataclass(frozen=True)
class Side:
    """Where clients connect, and where the rows are."""

    name: str
    port: int
    django_port: int
    system: System


class Sides:
    """Each side has a Redis and a database of its own, with the same people."""

    def __init__(self, directory: Path, sections: list[Section], config: Callable[["Sides"], str] | None = None):
        """`config` makes the node's configuration once the project is there; default: that of the sections."""
        self.directory = directory
        self.sections = sections
        self.project = directory / "project"
        write(sections, self.project)
        self.seed = self._seed()
        #: Keys of JSON are text.
        everybody = json.loads((self.seed / "people.json").read_text())
        self.people = {int(number): people for number, people in everybody.items()}
        self.systems: list[System] = []
        # With the core layer a connection that ends may take events of the others in its process with it.
        self.daphne = self._side("daphne", "daphne", LAYER="pubsub")
        self.node = self.bridged("node", config(self) if config else configuration(sections))

    def _seed(self) -> Path:
        directory = self.directory / "seed"
        directory.mkdir()
        env = {**os.environ, **environment(directory, self.project, "redis://127.0.0.1:1/0")}
        argv = [stack.PYTHON, "-m", "office.seed", str(max(section.number for section in self.sections))]
        done = subprocess.run(argv, env=env, cwd=directory, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return directory

    def _side(self, name: str, server: str, **env: str) -> Side:
        directory = self.directory / name
        directory.mkdir()
        shutil.copy(self.seed / "office.sqlite3", directory)
        system = System(directory, LAYERS[env.get("LAYER", "core")])
        self.systems.append(system)
        port = stack.free_port()
        env = environment(directory, self.project, system.redis_url, **env)
        argv = [stack.PYTHON, *SERVERS[server], port, "office.asgi:application"]
        ready = lambda: stack.http_status(port, "/alive/") == 200  # noqa: E731
        system.django = system._start(stack.Part("django", argv, directory, ready, env, port), wait=False)
        return Side(name, port, port, system)

    def bridged(self, name: str, config: str) -> Side:
        """A node with this configuration, and its Django."""
        side = self._side(name, "uvicorn", BRIDGE="1")
        side.system.backend = "http"
        node = side.system.start_node(wait=False, config=config)
        return dataclasses.replace(side, port=node.port)

    def wait(self) -> "Sides":
        for system in self.systems:
            system.wait()
        return self

    def stop(self) -> None:
        for system in self.systems:
            system.stop()
