"""What a condition costs: instructions of an event to 1,000 members, with conditions of each shape and without.

    benches/conditions.py [--node PATH] [--events 25] [--passes 3] [--only NAME ...]

The node runs under callgrind (package valgrind), with one worker and the embedded layer. The members are 1,000
WebSocket clients of this process. Events come by `POST /api/publish`, one after the other: each when all members have
the one before. Callgrind counts only while events of one shape are delivered, and only instructions in user space. Each
shape is counted beside the same events without the condition, and all of them again in each pass: the table has the
least of the passes, because what the node does besides only adds.
"""

import argparse
import asyncio
import base64
import dataclasses
import hashlib
import hmac
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

MEMBERS = 1000
KEY = "a-key-that-is-as-long-as-it-has-to-be"
ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Shape:
    """Events with one condition."""

    name: str
    when: str
    fields: Callable[[int], dict[str, object]]
    recipients: int = MEMBERS
    about: str = ""


def name_of(user: int) -> str:
    """A text as long as a UUID."""
    return f"name-of-the-user-with-number-{user:08}"


MAY_SEE = "claims.is_superuser or event.owner == user.id or event.group in claims.groups"
NAMED = "claims.is_superuser or event.owner == user.id or user.id in event.users"
SHAPES = [
    Shape("sender", "event.by != user.id", lambda n: {"by": n}, MEMBERS - 1),
    Shape("not sender", "not (event.by == user.id)", lambda n: {"by": n}, MEMBERS - 1),
    Shape("channel", "event.channel != channel_name", lambda n: {"channel": f"specific.none!{n:022}"}),
    Shape("name", "event.name != claims.name", lambda n: {"name": name_of(n)}, MEMBERS - 1, "text of 37 bytes"),
    Shape("recipient", "event.to == user.id", lambda n: {"to": n}, 1),
    Shape("same id", "user.id | same_id(event.to)", lambda n: {"to": str(n)}, 1),
    Shape("team", "event.team == claims.team", lambda n: {"team": name_of(0)}, MEMBERS, "text of 37 bytes"),
    Shape("group", "event.group in claims.groups", lambda n: {"group": 1}, MEMBERS, "lists of 3 numbers"),
    Shape("names", "event.name in claims.names", lambda n: {"name": name_of(0)}, MEMBERS, "lists of 2 texts"),
    Shape("meet", "event.groups | intersects(claims.groups)", lambda n: {"groups": [7, 1]}),
    Shape("do not meet", "event.groups | intersects(claims.groups)", lambda n: {"groups": [7, 8]}, 0),
    Shape(
        "muted", "user.id not in event.muted", lambda n: {"muted": list(range(3, 1003, 50))}, MEMBERS - 20, "list of 20"
    ),
    Shape("many", "user.id in event.users", lambda n: {"users": list(range(1, 1000, 5))}, 200, "list of 200"),
    Shape("all may see", MAY_SEE, lambda n: {"owner": n, "group": 1}),
    Shape("half may see", MAY_SEE, lambda n: {"owner": 2 * n, "group": 2}, MEMBERS // 2),
    Shape("users may see", NAMED, lambda n: {"owner": 3, "users": list(range(3, 1003, 50))}, 20, "list of 20"),
    Shape("flag", "not claims.is_superuser and event.open", lambda n: {"open": True}),
    # Answered by each member's own values.
    Shape("part of a text", "event.part in claims.name", lambda n: {"part": "user"}, MEMBERS, "part of a text"),
]


def config() -> str:
    """The configuration: each shape is a type of event, and the same without its condition is another one."""
    handlers = []
    for at, shape in enumerate(SHAPES):
        send = "send = \"{'n': event.n, 'text': event.text}\"\n"
        handlers += [
            f"[consumer.on_event.s{at}]\n{send}when = {json.dumps(shape.when)}\n",
            f"[consumer.on_event.p{at}]\n{send}",
        ]
    consumer = '[[consumer]]\npath = "/ws/"\nauth = ["jwt"]\ngroups = ["all"]\n'
    return f'[auth]\nsecret_key = "{KEY}"\n[server]\nworkers = 1\n{consumer}' + "".join(handlers)


def token(user: int) -> str:
    """An access token with everything that the conditions compare."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    claims = {
        "token_type": "access",
        "exp": int(time.time()) + 86400,
        "jti": f"{user:032}",
        "user_id": user,
        "name": name_of(user),
        "team": name_of(0),
        "is_superuser": False,
        "groups": [1, 1000 + user, 2 + user % 2],
        "names": [name_of(user), name_of(0)],
    }
    text = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + "." + part(json.dumps(claims).encode())
    return text + "." + part(hmac.digest(KEY.encode(), text.encode(), hashlib.sha256))


class Bench:
    """The node under callgrind, and its clients."""

    def __init__(self, program: Path, directory: Path, port: int):
        self.directory, self.port = directory, port
        self.got, self.expected, self.complete = 0, 0, asyncio.Event()
        (directory / "node.toml").write_text(config())
        env = {**os.environ, "CHANNELGATE_API_KEY": KEY, "CHANNELGATE_LISTEN": f"127.0.0.1:{port}"}
        env.pop("REDIS_URL", None)
        out = f"--callgrind-out-file={directory}/out"
        argv = [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            out,
            str(program),
            "--config",
            str(directory / "node.toml"),
        ]
        with (directory / "log").open("w") as log:
            self.node = subprocess.Popen(argv, env=env, stdout=log, stderr=subprocess.STDOUT)

    async def client(self, user: int) -> asyncio.Task[None]:
        for attempt in range(300):
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                break
            except OSError:
                if attempt == 299 or self.node.poll() is not None:
                    raise RuntimeError((self.directory / "log").read_text()) from None
                await asyncio.sleep(0.2)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /ws/?token={token(user)} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head:
            raise RuntimeError(head.decode())

        async def read() -> None:
            while True:
                first, length = await reader.readexactly(2)
                if length == 126:
                    length = int.from_bytes(await reader.readexactly(2))
                body = await reader.readexactly(length)
                if first == 0x81:
                    self.got += 1
                    if self.got == self.expected:
                        self.complete.set()
                elif first == 0x89:
                    writer.write(bytes([0x8A, 0x80 | length]) + bytes(4) + body)

        return asyncio.create_task(read())

    def publish(self, shape: int, plain: bool, n: int) -> None:
        event = {"type": f"{'p' if plain else 's'}{shape}", "n": n, "text": "x" * 60, **SHAPES[shape].fields(n)}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/publish",
            json.dumps({"group": "all", "event": event}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"},
        )
        urllib.request.urlopen(request, timeout=60).read()

    async def deliver(self, shape: int, plain: bool, events: range) -> None:
        recipients = MEMBERS if plain else SHAPES[shape].recipients
        for n in events:
            self.expected = self.got + recipients
            self.complete.clear()
            await asyncio.to_thread(self.publish, shape, plain, n)
            if recipients:
                async with asyncio.timeout(60):
                    await self.complete.wait()
            else:
                await asyncio.sleep(0.05)
            if self.got != self.expected:
                raise RuntimeError(f"{SHAPES[shape].name}: {self.got - self.expected} messages too many")

    def control(self, *options: str) -> None:
        subprocess.run(["callgrind_control", *options, str(self.node.pid)], check=True, capture_output=True)

    async def count(self, shape: int, plain: bool, events: int) -> int:
        """Instructions of one event."""
        self.control("-i", "on")
        self.control("-z")
        await self.deliver(shape, plain, range(1, events + 1))
        for old in self.directory.glob("out.*"):
            old.unlink()
        self.control("-d")
        self.control("-i", "off")
        [dump] = self.directory.glob("out.*")
        counted = re.search(r"^(?:summary|totals): (\d+)", dump.read_text(errors="replace"), re.MULTILINE)
        return int(counted[1]) // events if counted else 0


Counts = dict[tuple[int, bool], list[int]]


async def measure(bench: Bench, options: argparse.Namespace) -> Counts:
    tasks = [await bench.client(1)]
    for first in range(2, MEMBERS + 1, 20):
        tasks += await asyncio.gather(*(bench.client(user) for user in range(first, min(first + 20, MEMBERS + 1))))
    shapes = [at for at, shape in enumerate(SHAPES) if not options.only or shape.name in options.only]
    counts: Counts = {(shape, plain): [] for shape in shapes for plain in (True, False)}
    for shape, plain in counts:
        await bench.deliver(shape, plain, range(1, 4))
    for _ in range(options.passes):
        for (shape, plain), values in counts.items():
            values.append(await bench.count(shape, plain, options.events))
    for task in tasks:
        task.cancel()
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--node", type=Path, default=ROOT / "target" / "release" / "channelgate", help="the program")
    parser.add_argument("--events", type=int, default=25, help="of each shape and pass")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--port", type=int, default=18970)
    parser.add_argument("--only", nargs="*", help="names of shapes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(options.node, Path(directory), options.port)
        try:
            counts = asyncio.run(measure(bench, options))
        finally:
            bench.node.terminate()
            bench.node.wait(60)
    print("| condition | members that get it | instructions without | with | ratio |\n| --- | --- | --- | --- | --- |")
    for at, shape in enumerate(SHAPES):
        if counts.get((at, False)):
            without, least = (min(counts[at, plain]) for plain in (True, False))
            condition = f"`{shape.when}`".replace("|", "\\|") + (f" ({shape.about})" if shape.about else "")
            print(
                f"| {condition} | {shape.recipients:,} | {without:,} | {least:,} | {least / without:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
