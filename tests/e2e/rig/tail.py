"""`channelgate tail` as a process, with the lines printed so far."""

import asyncio
import json
import os

import stack

from .client import until
from .system import API_KEY


class Tail:
    """A running tail; `lines` has its output."""

    def __init__(self, process: asyncio.subprocess.Process):
        self.process = process
        self.lines: list[str] = []
        self.reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, system, *nodes: stack.Part, arguments: tuple[str, ...] = ("--json",), urls=True) -> "Tail":
        """Watches these nodes; once it returns, every event is seen. Without `urls` the arguments name them."""
        before = [watchers(system, node) for node in nodes]
        urls = urls and [word for node in nodes for word in ("--url", f"http://{stack.LOOPBACK}:{node.port}")]
        process = await asyncio.create_subprocess_exec(
            stack.binary(),
            "tail",
            *(urls or ()),
            *arguments,
            env={**os.environ, "CHANNELGATE_API_KEY": API_KEY, "REDIS_URL": system.redis_url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )
        tail = cls(process)
        for node, count in zip(nodes, before, strict=True):
            await until(lambda node=node, count=count: watchers(system, node) > count, "the node to be watched")
        return tail

    async def _read(self) -> None:
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))

    def json(self, *kinds: str) -> list[dict]:
        """The lines of these kinds, without their times."""
        lines = [json.loads(line) for line in self.lines]
        for line in lines:
            assert line.pop("time").endswith("Z")
        return [line for line in lines if not kinds or line["kind"] in kinds]

    async def wait(self, condition, what: str):
        return await until(lambda: condition(self), f"{what} in {self.lines[-5:]}")

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()
        await self.reader


def watchers(system, node: stack.Part) -> float:
    return system.metric(node, "channelgate_tail_watchers")
