"""The demo project with settings of its own, and the node that `manage.py channelgate run` starts from them.

Nothing of the settings is in the environment: what a node knows, it knows from `run`.
"""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import stack

#: What `run` must not get from the environment of the tests.
NOT_HANDED_ON = ("REDIS_URL", "DJANGO_SECRET_KEY", "CHANNELGATE_", "LAYER", "SERIALIZER", "CACHE_URL")

#: A process of a project: it does what each line asks for, with the layer and the cache of a module of settings.
SHELL = """
import importlib, json, sys
import django
django.setup()
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test.utils import override_settings
from rest_framework_simplejwt.tokens import AccessToken
for line in sys.stdin:
    module, what, *words = json.loads(line)
    site = importlib.import_module(module)
    answer = "done"
    with override_settings(CHANNEL_LAYERS=site.CHANNEL_LAYERS, CACHES=site.CACHES):
        if what == "send":
            async_to_sync(get_channel_layer().group_send)(*words)
        elif what == "keep":
            cache.set(*words, timeout=60)
        elif what == "access":
            # simplejwt takes the key when it is imported: this is the token of the process's own project.
            assert site.SECRET_KEY == settings.SECRET_KEY
            answer = str(AccessToken.for_user(User(pk=words[0])))
    print(answer, flush=True)
"""


class Shell:
    """A process of one project, which publishes for the others as well."""

    def __init__(self, site: "DerivedSite", others: list["DerivedSite"]):
        env = site.env
        env["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"], *(str(other.directory) for other in others)])
        argv = [str(stack.PYTHON), "-c", SHELL]
        self.process = subprocess.Popen(
            argv, env=env, cwd=site.directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    async def ask(self, site: "DerivedSite", *words: object) -> str:
        """Has it do something with the site's settings; returns what it says."""
        return await asyncio.to_thread(self._ask, [site.module, *words])

    def _ask(self, words: list[object]) -> str:
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer, f"the project's process ended: {self.process.wait(10)}"
        return answer

    def stop(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


class DerivedSite:
    """One project: a file of settings, perhaps a channelgate.toml, and a node."""

    def __init__(self, directory: Path, name: str, settings: str, config: str | None = None):
        self.directory = directory / name
        self.directory.mkdir()
        self.name = name
        #: Unique, because it is a module's name.
        self.module = f"settings_{name}"
        text = f"from demo.settings import *\nfrom pathlib import Path\nBASE_DIR = Path({str(self.directory)!r})\n"
        (self.directory / f"{self.module}.py").write_text(text + settings)
        self.file = self.directory / "channelgate.toml"
        if config is not None:
            self.file.write_text(config)
        self.port = stack.free_port()
        self.node: stack.Part | None = None

    @property
    def env(self) -> dict[str, str]:
        """The environment of its processes, whole."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_HANDED_ON)}
        paths = [self.directory, stack.ROOT / "tests" / "django", stack.ROOT / "clients" / "django" / "src"]
        return {
            **kept,
            "DJANGO_SETTINGS_MODULE": self.module,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "RUN_DIR": str(self.directory),
            "CHANNELGATE_BIN": str(stack.binary()),
            "CHANNELGATE__SERVER__DRAIN_DELAY": "0s",
            "CHANNELGATE__SERVER__DRAIN_PERIOD": "100ms",
        }

    def argv(self, *words: str) -> list[str]:
        """`manage.py channelgate` and these words."""
        return [str(stack.PYTHON), str(stack.MANAGE), "channelgate", *words]

    def start(self, *words: str) -> "DerivedSite":
        """Starts `run`, without waiting for the node."""
        argv = self.argv("run", "--port", str(self.port), *words)
        ready = lambda: stack.http_status(self.port, "/health/ready") == 200  # noqa: E731
        self.node = stack.Part(f"run-{self.name}", argv, self.directory, ready, port=self.port)
        self.node.env = self.env
        self.node.start()
        return self

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Runs a sub-command to its end."""
        return subprocess.run(
            self.argv(*words), env=self.env, cwd=self.directory, capture_output=True, text=True, timeout=60, check=False
        )

    def stop(self) -> None:
        """Ends the node."""
        if self.node is not None:
            self.node.stop(5)
