"""Deliberate faults: a Redis behind a link that drops packets, and a master under Sentinel that fails."""

import asyncio
import contextlib
import ctypes
import itertools
import os
import signal
import subprocess
from pathlib import Path

import pytest
import redis
import stack
from redis.exceptions import RedisError

from .client import until
from .http import Http

_LIBC = ctypes.CDLL(None, use_errno=True)
_ATTACH, _DETACH = 16, 17


class Readiness:
    """When a node was last seen to change, in seconds since the fault."""

    def __init__(self, node: stack.Part):
        self.node = node
        self.http = Http(node.port)
        self.started = asyncio.get_running_loop().time()

    def begin(self) -> None:
        self.started = asyncio.get_running_loop().time()

    async def is_(self, status: int, deadline: float) -> float:
        """Waits for this status; returns the time since the fault."""

        async def answers() -> bool:
            return (await self.http.get("/health/ready")).status == status

        await until(answers, f"{self.node.name} to answer {status} on /health/ready", deadline)
        return asyncio.get_running_loop().time() - self.started

    async def stays(self, status: int, seconds: float) -> None:
        """Checks for this long that nothing else is answered."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            reply = await self.http.get("/health/ready")
            assert reply.status == status, reply
            await asyncio.sleep(0.05)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


class Link:
    """A network namespace with a Redis in it, and the link to it.

    Packets are dropped by a wrong hardware address: neither side is notified and nothing is closed, as with an
    unplugged cable.
    """

    OUTSIDE, INSIDE = "10.213.77.1", "10.213.77.2"
    #: The kernel takes time to remove a namespace and its contents.
    NUMBERS = itertools.count()

    def __init__(self, directory: Path):
        self.name = f"cg{os.getpid()}n{next(self.NUMBERS)}"
        self.outside, self.inside = f"{self.name}o"[-15:], f"{self.name}i"[-15:]
        self.socket = directory / "redis-in-namespace.sock"
        self.ip = stack.tool("ip")

    def up(self) -> None:
        try:
            _run(self.ip, "netns", "add", self.name)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespace can be made here: {getattr(error, 'stderr', error)}")
        _run(self.ip, "link", "add", self.outside, "type", "veth", "peer", "name", self.inside, "netns", self.name)
        _run(self.ip, "addr", "add", f"{self.OUTSIDE}/30", "dev", self.outside)
        _run(self.ip, "-n", self.name, "addr", "add", f"{self.INSIDE}/30", "dev", self.inside)
        _run(self.ip, "link", "set", self.outside, "up")
        _run(self.ip, "-n", self.name, "link", "set", self.inside, "up")
        _run(self.ip, "-n", self.name, "link", "set", "lo", "up")

    def redis(self, directory: Path) -> stack.Part:
        """A Redis at the other end; its unix socket does not need the link."""
        argv = [self.ip, "netns", "exec", self.name, stack.tool("redis-server"), "--port", "6379", "--save", ""]
        argv += ["--bind", self.INSIDE, "--unixsocket", str(self.socket), "--protected-mode", "no"]

        return stack.Part("redis-in-namespace", argv, directory, self.socket.exists)

    @property
    def url(self) -> str:
        return f"redis://{self.INSIDE}:6379/0"

    def cut(self) -> None:
        """Drops packets from now on, in both directions."""
        nobody = ["lladdr", "02:00:00:00:00:01", "nud", "permanent"]
        _run(self.ip, "neigh", "replace", self.INSIDE, *nobody, "dev", self.outside)
        _run(self.ip, "-n", self.name, "neigh", "replace", self.OUTSIDE, *nobody, "dev", self.inside)

    def mend(self) -> None:
        _run(self.ip, "neigh", "del", self.INSIDE, "dev", self.outside)
        _run(self.ip, "-n", self.name, "neigh", "del", self.OUTSIDE, "dev", self.inside)

    def down(self) -> None:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            _run(self.ip, "netns", "del", self.name)


class Watched:
    """A master and a replica under a Sentinel, as real processes."""

    def __init__(self, system):
        self.system = system
        self.master = system.redis
        self.replica = system.start_redis()
        stack.redis_command(self.replica.port, f"REPLICAOF {stack.LOOPBACK} {self.master.port}")
        self.port = stack.free_port()
        file = system.directory / "sentinel.conf"
        file.write_text(
            f"bind {stack.LOOPBACK}\nport {self.port}\ndir {system.directory}\n"
            f"sentinel monitor mymaster {stack.LOOPBACK} {self.master.port} 1\n"
            "sentinel down-after-milliseconds mymaster 3000\nsentinel failover-timeout mymaster 6000\n"
        )
        argv = [stack.tool("redis-server"), file, "--sentinel"]
        system._start(stack.Part("sentinel", argv, system.directory, self._knows_the_replica, port=self.port))

    def _knows_the_replica(self) -> bool:
        known = self._ask("REPLICAS")
        linked = "master_link_status:up" in stack.redis_command(self.replica.port, "INFO replication")
        return str(self.replica.port) in known and linked

    def _ask(self, question: str) -> str:
        """The Sentinel's answer; empty if there is none."""
        connection = redis.Redis(port=self.port, decode_responses=True, socket_timeout=2)
        try:
            return str(connection.execute_command("SENTINEL", question, "mymaster"))
        except RedisError:
            return ""
        finally:
            connection.close()

    @property
    def url(self) -> str:
        return f"redis+sentinel://{stack.LOOPBACK}:{self.port}/mymaster/0"

    def fail(self, how: str) -> None:
        match how:
            case "killed":
                self.master.kill()
            case "frozen":
                self.master.signal(signal.SIGSTOP)
            case "demoted":
                assert self._ask("FAILOVER")

    async def come_back(self, how: str) -> None:
        """Restarts the old master, which learns that it is a replica."""
        match how:
            case "killed":
                self.system.restart_redis()
            case "frozen":
                self.master.signal(signal.SIGCONT)

        def is_replica() -> bool:
            return "role:slave" in stack.redis_command(self.system.redis.port, "INFO replication")

        await until(is_replica, "the old master to be a replica", 60)


@contextlib.contextmanager
def standstill(node: stack.Part, name: str):
    """Stops one thread of a node; the others continue."""
    tasks = Path(f"/proc/{node.pid}/task")
    threads = {int(task.name): (task / "comm").read_text().strip() for task in tasks.iterdir()}
    found = [number for number, comm in threads.items() if comm.startswith(name)]
    if not found:
        raise AssertionError(f"no thread {name}: {sorted(threads.values())}")
    if _LIBC.ptrace(_ATTACH, found[0], None, None) != 0:
        pytest.skip(f"no thread can be held here: {os.strerror(ctypes.get_errno())}")
    os.waitpid(found[0], 0x40000000)
    try:
        yield
    finally:
        _LIBC.ptrace(_DETACH, found[0], None, None)
