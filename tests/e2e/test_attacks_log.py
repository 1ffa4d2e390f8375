"""The log never blocks the node: a full pipe, a reader that is gone, a full disk."""

import asyncio
import contextlib
import fcntl
import functools
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import redis.asyncio as redis
import stack
from rig.client import DEADLINE, Client, until
from rig.deadline import in_time
from rig.http import Http
from rig.raw import TEXT, Raw, encode

DROPPED = "channelgate_log_lines_dropped_total"
WAITING = "channelgate_log_waiting_bytes"


class Blocked:
    """A node whose standard error is a pipe that accepts nothing more."""

    def __init__(self, system, **env: str):
        self.read, self.write = os.pipe()
        self.reader: threading.Thread | None = None
        fcntl.fcntl(self.write, fcntl.F_SETPIPE_SZ, 4096)
        self.system = system
        node = stack.node(system.directory, stack.free_port(), system.node_env(**env), "blocked")
        self.node = node
        with (system.directory / "out.log").open("wb") as out:
            node.process = stack.subprocess.Popen(
                node.argv,
                cwd=node.directory,
                env=node.env,
                stdin=stack.subprocess.DEVNULL,
                stdout=out,
                stderr=self.write,
                start_new_session=True,
                preexec_fn=stack._end_with_parent,
            )
        system.parts.append(node)
        node.wait()

    def fill(self) -> None:
        """Fills the pipe to the last byte, besides the node."""
        os.set_blocking(self.write, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self.write, b"\n" * 512)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self.write, b"\n")
        # The node's descriptor is the same open file, and must wait.
        os.set_blocking(self.write, True)

    def drain(self) -> bytes:
        """The data written meanwhile."""
        taken = b""
        # Nothing more now, or closed by the test.
        with contextlib.suppress(OSError):
            os.set_blocking(self.read, False)
            while chunk := os.read(self.read, 65536):
                taken += chunk
        return taken

    def follow(self) -> Path:
        """Reads on, in a thread, as fast as the node writes; the file has what was read."""
        path = self.system.directory / "followed.log"
        path.touch()
        os.set_blocking(self.read, True)

        def read() -> None:
            with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
                while chunk := os.read(self.read, 65536):
                    file.write(chunk)

        # It ends with the last writer.
        self.reader = threading.Thread(target=read)
        self.reader.start()
        return path

    def close(self) -> None:
        for descriptor in (self.write, self.read):
            with contextlib.suppress(OSError):
                os.close(descriptor)
            if self.reader is not None:
                self.reader.join(10)


@pytest.fixture
def blocked(system):
    one = Blocked(system, RUST_LOG="channelgate=debug,info")
    yield one
    if one.reader is None:
        one.drain()
    one.node.process.kill()
    one.close()


async def something_is_logged(system) -> None:
    """An event that causes a log line."""
    async with redis.from_url(system.redis_url) as bus:
        await bus.publish("channelgate:broadcast", b"no json")


async def much_is_logged(system, node, number: int = 6000) -> None:
    """A client sends messages that each cause a log line at the current level: more than may wait."""
    client = await Raw.open(node.port, "/ws/attendance/")
    refused = functools.partial(system.metric, node, "channelgate_refused_messages_total", reason="bad_json")
    before = await asyncio.to_thread(refused)
    await client.write(encode(TEXT, b"no json") * number)
    await until(lambda: refused() >= before + number, "all messages to be refused")
    client.abort()


async def test_events_are_delivered_while_the_log_is_blocked(system, blocked):
    node = blocked.node
    client = await Client.open(node.port, "/ws/")
    blocked.fill()
    await something_is_logged(system)
    await until(lambda: system.metric(node, WAITING) > 0, "the metrics to say that lines wait")
    assert await asyncio.to_thread(system.metric, node, DROPPED) == 0
    await much_is_logged(system, node)
    for round_ in range(4):
        node.signal(signal.SIGHUP)
        async with system.publisher() as layer:
            await layer.group_send("broadcast", {"type": "send_event", "event": "n", "data": round_})
        await client.count(round_ + 1)
        # New clients are accepted, and the node is alive and ready.
        other = await in_time(DEADLINE, Client.open(node.port, "/ws/"))
        await other.close()
        for path in ("/health/live", "/health/ready", "/metrics"):
            reply = await in_time(DEADLINE, Http(node.port).get(path))
            assert reply.status == 200, path
        await asyncio.sleep(0.5)
    assert await asyncio.to_thread(system.metric, node, DROPPED) > 0
    # Once the pipe is read again, the next lines are written, and the number of lost ones.
    await client.close()
    followed = blocked.follow()
    node.signal(signal.SIGHUP)
    await until(lambda: "log lines were dropped" in followed.read_text(errors="replace"), "the log to go on")
    await until(lambda: system.metric(node, WAITING) == 0, "all lines to be written")
    assert followed.read_text(errors="replace").endswith("\n")


async def test_a_node_with_a_blocked_log_still_ends_in_time(system, blocked):
    client = await Client.open(blocked.node.port, "/ws/")
    blocked.fill()
    await much_is_logged(system, blocked.node)
    began = time.monotonic()
    blocked.node.signal(signal.SIGTERM)
    assert (await client.gone())[0] == 1012
    # It would wait for ever.
    assert await asyncio.to_thread(blocked.node.join, 25) == 0
    assert time.monotonic() - began < 25


async def test_a_log_without_a_reader_ends_nothing(system, blocked):
    """The reader is gone: EPIPE, and no signal."""
    client = await Client.open(blocked.node.port, "/ws/")
    os.close(blocked.read)
    await something_is_logged(system)
    async with system.publisher() as layer:
        await layer.group_send("broadcast", {"type": "send_event", "event": "n", "data": 1})
    assert len(await client.count(1)) == 1
    assert blocked.node.running
    await until(lambda: system.metric(blocked.node, DROPPED) > 0, "what is lost to be counted")
    await client.close()


async def test_a_full_disk_is_visible_in_the_metrics(system):
    """/dev/full accepts no byte."""
    node = stack.node(system.directory, stack.free_port(), system.node_env(RUST_LOG="channelgate=debug"), "full")
    with Path("/dev/full").open("wb") as full:
        node.process = stack.subprocess.Popen(
            node.argv,
            cwd=node.directory,
            env=node.env,
            stdin=stack.subprocess.DEVNULL,
            stdout=full,
            stderr=full,
            start_new_session=True,
            preexec_fn=stack._end_with_parent,
        )
    system.parts.append(node)
    node.wait()
    await something_is_logged(system)
    await until(lambda: system.metric(node, DROPPED) > 0, "what is lost to be counted")


async def test_every_line_is_written_if_the_log_is_read(system):
    """In order, complete, and including the last ones before the end."""
    node = system.start_node(RUST_LOG="channelgate=debug,info")
    for _ in range(20):
        await (await Client.open(node.port, "/ws/")).close()
    assert system.metric(node, DROPPED) == 0
    names = {
        line.split("{")[0].split(" ")[0] for line in (await Http(node.port).get("/metrics")).body.decode().splitlines()
    }
    assert DROPPED in names
    node.stop()
    lines = node.log.read_text().splitlines()
    assert all(line.startswith("[20") for line in lines), lines[:3]
    assert [line[1:25] for line in lines] == sorted(line[1:25] for line in lines)
    assert any("drain" in line or "stopp" in line for line in lines[-5:]), lines[-5:]


async def test_a_service_manager_that_does_not_read_is_not_awaited(system):
    """Its socket is full: a send that blocks would never return."""
    path = system.directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, contextlib.suppress(BlockingIOError):
            other.connect(str(path))
            other.setblocking(False)
            while True:
                other.send(b"STATUS=full")
        node = await asyncio.to_thread(system.start_node, NOTIFY_SOCKET=str(path), WATCHDOG_USEC="300000")
        client = await Client.open(node.port, "/ws/")
        node.signal(signal.SIGHUP)
        reloads = functools.partial(system.metric, node, "channelgate_reloads_total", outcome="unchanged")
        await until(lambda: reloads() == 1, "the reload")
        node.signal(signal.SIGTERM)
        assert (await client.gone())[0] == 1012
        assert await asyncio.to_thread(node.join, 25) == 0
    assert "cannot notify the service manager" in node.log.read_text()
