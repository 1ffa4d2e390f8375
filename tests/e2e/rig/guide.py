"""Types the commands of a page into a project, edits its files as the page says, and compares what is printed."""

import dataclasses
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import stack

from .fresh import Fresh
from .log import whole_log

#: Blocks of code with their language, in the order of the page.
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)
#: The parts of a block that say which file they belong to.
FILE = re.compile(r"^# (\w+\.py).*\n", re.M)
#: Commands that do not end by themselves.
SERVERS = ("python manage.py channelgate run",)


@dataclasses.dataclass(frozen=True)
class Step:
    """A block of a page: a command and what it prints, or what goes into a file."""

    kind: str
    text: str
    printed: tuple[str, ...] = ()


def steps(page: Path) -> list[Step]:
    """The blocks; what a command prints belongs to it."""
    found: list[Step] = []
    for kind, text in BLOCK.findall(page.read_text()):
        if kind == "text":
            found[-1] = dataclasses.replace(found[-1], printed=tuple(text.splitlines()))
        else:
            found.append(Step(kind, text))
    return found


def missing(printed: str, expected: tuple[str, ...]) -> list[str]:
    """Lines of the page that were not printed in this order. `…` stands for anything."""
    lines = [line.rstrip() for line in printed.splitlines()]
    for number, wanted in enumerate(expected):
        pattern = re.compile(".*?".join(map(re.escape, wanted.split("…"))))
        for at, line in enumerate(lines):
            if pattern.fullmatch(line):
                lines = lines[at + 1 :]
                break
        else:
            return list(expected[number:])
    return []


class Walk:
    """One person with two terminals."""

    def __init__(self, project: Fresh, ports: Mapping[int, int]):
        self.project = project
        #: The ports of the page, and those that are free here.
        self.ports = ports
        self.servers: list[stack.Part] = []
        self.seconds = 0.0

    def here(self, text: str) -> str:
        """What the page says, on this machine."""
        text = re.sub(r"(?<=127\.0\.0\.1:)(\d+)", lambda found: str(self.ports.get(int(found[1]), found[1])), text)
        return text.replace("/srv/mysite", str(self.project.folder))

    def there(self, text: str) -> str:
        """What this machine says, with the ports of the page."""
        back = {str(here): str(there) for there, here in self.ports.items()}
        return re.sub(r"(?<=:)(\d+)", lambda found: back.get(found[1], found[1]), text)

    def type(self, step: Step) -> None:
        """Types the lines of a block, and compares what they print."""
        began = time.monotonic()
        printed = "".join(self._line(self.here(line)) for line in step.text.splitlines() if line)
        self.seconds += time.monotonic() - began
        lacking = missing(self.there(printed), step.printed)
        assert not lacking, f"{step.text}the page also has {lacking}:\n{printed}"
        # A FAIL is an exit status of 1, and the only reason for one.
        assert ("FAIL" in printed) == any("FAIL" in line for line in step.printed), printed

    def _line(self, line: str) -> str:
        environment = self.project.environment
        if line.startswith(SERVERS):
            return self._server(line)
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.project.folder,
            env=environment.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == ("FAIL" in done.stdout), f"{line}: {done.returncode}\n{done.stdout}{done.stderr}"
        self._settle()
        return done.stdout

    def _settle(self) -> None:
        """The default ports of a file that was written are free for its reader, but not here."""
        file = self.project.folder / "channelgate.toml"
        if file.exists():
            file.write_text(self.here(file.read_text()))

    def _server(self, line: str) -> str:
        """Starts what stays in the second terminal."""
        port = self.ports[8001]
        node = stack.Part(
            "node",
            # Of the tests' own environment nothing is left.
            [
                "env",
                "-i",
                *(f"{name}={value}" for name, value in self.project.environment.env.items()),
                "bash",
                "-c",
                f"exec {line}",
            ],
            self.project.folder,
            lambda: stack.http_status(port, "/health/ready") == 200,
            port=port,
        )
        self.servers.append(node.start())
        node.wait()
        return whole_log(node)

    def edit(self, step: Step) -> None:
        """Adds what the page adds to the project's files."""
        parts = FILE.split(step.text)[1:]
        assert parts, f"no file is named in {step.text}"
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            self.project.append(f"mysite/{name}", text)

    def stop(self) -> None:
        """Ends what was started."""
        for part in self.servers:
            part.stop(grace=5)
