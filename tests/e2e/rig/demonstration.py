"""`make demo` as a process, its control process, and the stream of what Django has sent."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import stack

from .client import DEADLINE, until
from .demo import Demo
from .http import Http, Reply

CONTROL = "/demo/control/"
PORTS = ("HTTP_PORT", "DJANGO_PORT", "NODE_PORT", "REDIS_PORT", "CONTROL_PORT")


def application(directory: Path) -> Path:
    """A small built application: it needs no Node."""
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text("<!doctype html><title>Application</title>")
    (directory / "assets" / "index-1.js").write_text("export {}")
    return directory


class Demonstration:
    def __init__(self, directory: Path, nodes: int, **env: str):
        self.run = directory / "run"
        self.ports = {name: stack.free_port(nodes if name == "NODE_PORT" else 1) for name in PORTS}
        places = {name: str(port) for name, port in self.ports.items()}
        places |= {"UP_DIR": str(self.run), "DEMO_APP": str(application(directory / "app"))}
        argv = [sys.executable, stack.ROOT / "scripts" / "demo.py", "--nodes", str(nodes)]
        env = {**places, "PYTHONUNBUFFERED": "1", **env}
        self.part = stack.Part("demo", argv, directory, self._is_ready, env)
        self.part.start()
        # Longer than the control process waits for the activity.
        self.web = Http(self.port, timeout=60)
        self.demo = Demo(self.port)
        self.demo.web = self.web

    @property
    def port(self) -> int:
        return self.ports["HTTP_PORT"]

    @property
    def log(self) -> Path:
        return self.part.log

    def _is_ready(self) -> bool:
        """It has said where it is, and an event was sent."""
        return "Break it" in self.log.read_text() and bool(self.sent())

    def wait(self) -> "Demonstration":
        self.part.wait(60)
        return self

    def sent(self) -> list[dict]:
        """What Django has sent so far; the last line may not be complete yet."""
        file = self.run / "sent.jsonl"
        *lines, _ = file.read_text().split("\n") if file.exists() else [""]
        return [json.loads(line) for line in lines]

    async def order(self, name: str, status: int = 200, **body) -> dict:
        reply = await self.post(name, json.dumps(body).encode())
        assert reply.status == status, reply
        return reply.json()

    async def post(self, name: str, body: bytes, **headers: str) -> Reply:
        headers = {"X-Demo": "1", **{key.replace("_", "-"): value for key, value in headers.items()}}
        return await self.web.post(CONTROL + name, body=body, headers=headers)

    async def config(self) -> dict:
        return (await self.web.get(CONTROL + "config")).json()

    async def state(self, node: str) -> str:
        return next(one["state"] for one in (await self.config())["nodes"] if one["name"] == node)

    def processes(self) -> set[int]:
        """The ids of its parts."""
        children = Path(f"/proc/{self.part.pid}/task")
        return {int(pid) for task in children.iterdir() for pid in (task / "children").read_text().split()}

    def stop(self, how: int = signal.SIGINT) -> int:
        self.part.signal(how)
        try:
            return self.part.join(30)
        finally:
            self.part.kill()


class Stream:
    """The Server-Sent Events of `sent`; each as (event, data, id)."""

    def __init__(self, demonstration: Demonstration, last: str = "", is_anew: bool = False):
        """After the entry `last`, as a browser that comes back asks, or a page that opens a stream anew."""
        self.port, self.last, self.is_anew = demonstration.port, last, is_anew
        self.entries: list[tuple[str, object, str]] = []

    async def __aenter__(self) -> "Stream":
        reader, self.writer = await asyncio.open_connection(stack.LOOPBACK, self.port)
        resume = f"Last-Event-ID: {self.last}\r\n" if self.last and not self.is_anew else ""
        query = f"?last={self.last}" if self.last and self.is_anew else ""
        # Of HTTP 1.0, so that no chunk begins in the middle of a line.
        head = f"GET {CONTROL}sent{query} HTTP/1.0\r\nHost: 127.0.0.1:{self.port}\r\n{resume}\r\n"
        self.writer.write(head.encode())
        status = await reader.readline()
        assert b" 200 " in status, status
        self.task = asyncio.create_task(self._read(reader))
        # It begins with the states of the nodes: from here on nothing is missed.
        await self.until(lambda: self.of("nodes"), "the states of the nodes")
        return self

    async def __aexit__(self, *_) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        self.writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        event, data, id = "message", None, ""
        while line := await reader.readline():
            text = line.decode().strip()
            if text.startswith("data: "):
                data = json.loads(text[6:])
            elif text.startswith("id: "):
                id = text[4:]
            elif text.startswith("event: "):
                event = text[7:]
            elif data is not None:
                self.entries.append((event, data, id))
                event, data, id = "message", None, ""

    def of(self, event: str) -> list:
        return [data for name, data, _ in self.entries if name == event]

    def sent(self) -> list[dict]:
        return self.of("message")

    def facts(self) -> str:
        return "\n".join(fact["text"] for fact in self.of("fact"))

    def states(self, node: str) -> list[str]:
        """The states that a node had, each once in a row."""
        seen = [one["state"] for nodes in self.of("nodes") for one in nodes if one["name"] == node]
        return [state for place, state in enumerate(seen) if place == 0 or seen[place - 1] != state]

    async def until(self, condition: Callable[[], object], what: str, deadline: float = DEADLINE):
        def is_met():
            if self.task.done():
                # Raises what it could not read.
                self.task.result()
                raise AssertionError(f"the stream has ended before {what}")
            return condition()

        return await until(is_met, what, deadline)
