"""A node and its service manager: the socket that it gets, and its notifications."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess

import pytest
import stack
from rig.client import Client, until
from rig.raw import Raw

#: The duration of a restart without a slow drain; the grace is over as soon as all clients have answered their Close.
DRAIN = {
    "CHANNELGATE__SERVER__DRAIN_DELAY": "300ms",
    "CHANNELGATE__SERVER__DRAIN_PERIOD": "2s",
    "CHANNELGATE__SERVER__DRAIN_GRACE": "15s",
}


@pytest.fixture
def listener():
    """A socket as systemd keeps it: open longer than any node."""
    with socket.create_server((stack.LOOPBACK, 0), backlog=4096) as listener:
        yield listener


async def test_no_connection_is_refused_while_a_node_restarts_on_the_socket_it_is_given(system, listener):
    node = system.start_node(listener=listener, **DRAIN)
    opened, problems, going = [0] * 200, [], True

    async def come_and_go(number: int) -> None:
        while going:
            try:
                client = await Client.open(node.port, "/ws/", close_timeout=20)
                opened[number] += 1
                await client.close()
                if client.closed[0] not in (1000, 1012):
                    problems.append(client.closed)
            except Exception as problem:
                problems.append(repr(problem))
                return

    comers = [asyncio.create_task(come_and_go(number)) for number in range(200)]
    for _ in range(3):
        before = sum(opened)
        await until(lambda before=before: sum(opened) > before + 200, "clients to come and go", 30)
        node.signal(signal.SIGTERM)
        assert await asyncio.to_thread(node.join, 30) == 0
        node = await asyncio.to_thread(system.start_node, listener=listener, **DRAIN)
    before = list(opened)
    everybody = lambda: problems or all(now > then for now, then in zip(opened, before, strict=True))  # noqa: E731
    await until(everybody, "all clients to be served by the new node", 30)
    going = False
    await asyncio.gather(*comers)
    assert problems == []


async def test_clients_of_a_stopping_node_are_closed_and_reach_the_next_one(system, listener):
    node = system.start_node(listener=listener, **DRAIN)
    clients = [await Client.open(node.port, "/ws/") for _ in range(20)]
    node.signal(signal.SIGTERM)
    assert {(await client.gone())[0] for client in clients} == {1012}
    # They connect while no node accepts them.
    back = [asyncio.create_task(Client.open(node.port, "/ws/")) for _ in clients]
    assert await asyncio.to_thread(node.join, 20) == 0
    system.start_node(wait=False, listener=listener, **DRAIN)
    for client in await asyncio.gather(*back):
        await client.close()


async def test_systemd_itself_activates_a_node(system):
    tool = stack.tool("systemd-socket-activate")
    port = stack.free_port()
    env = {**os.environ, **system.node_env(), "CHANNELGATE_LISTEN": "127.0.0.1:1"}
    argv = [tool, "--listen", f"{stack.LOOPBACK}:{port}"]
    # Only the named variables reach the child.
    argv += [f"--setenv={name}" for name in env if name.startswith(("CHANNELGATE", "REDIS", "DJANGO"))]
    part = stack.Part(
        "activated", [*argv, stack.binary(), "serve"], system.directory, lambda: stack.listening(port), env
    )
    await asyncio.to_thread(part.start().wait)
    client = await Client.open(port, "/ws/")
    await client.close()
    assert await asyncio.to_thread(part.stop, 20) == 0


@contextlib.asynccontextmanager
async def notifications(directory):
    """A socket like systemd's; yields its path and the notifications so far."""
    path = directory / "notify"
    told: list[dict[str, str]] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.setblocking(False)
        loop = asyncio.get_running_loop()

        def hear() -> None:
            lines = manager.recv(4096).decode().splitlines()
            told.append(dict(line.split("=", 1) for line in lines if "=" in line))

        loop.add_reader(manager, hear)
        try:
            yield path, told
        finally:
            loop.remove_reader(manager)


async def test_the_service_manager_is_notified_of_start_reload_and_stop(system):
    async with notifications(system.directory) as (path, told):
        node = await asyncio.to_thread(system.start_node, NOTIFY_SOCKET=str(path), WATCHDOG_USEC="300000")
        await until(lambda: any("READY" in one for one in told), "READY")
        assert [one["STATUS"] for one in told if "READY" in one] == ["serving"]
        await until(lambda: sum("WATCHDOG" in one for one in told) > 2, "signs of life")
        told.clear()
        node.signal(signal.SIGHUP)
        await until(lambda: any("READY" in one for one in told), "READY after a reload")
        heard = [one for one in told if "WATCHDOG" not in one]
        assert heard[0]["RELOADING"] == "1" and int(heard[0]["MONOTONIC_USEC"]) > 0
        assert heard[1] == {"READY": "1", "STATUS": "serving; the last reload: unchanged"}
        node.signal(signal.SIGTERM)
        await until(lambda: any("STOPPING" in one for one in told), "STOPPING")
        assert await asyncio.to_thread(node.join, 10) == 0


async def test_a_start_without_redis_succeeds(system):
    system.redis.kill()
    async with notifications(system.directory) as (path, told):
        system.start_node(wait=False, NOTIFY_SOCKET=str(path))
        await until(lambda: any("READY" in one for one in told), "READY")
        assert "without the channel layer" in told[-1]["STATUS"]


def health(*arguments: str, **env: str) -> subprocess.CompletedProcess:
    argv = [stack.binary(), "health", *arguments]
    return subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True, timeout=20, check=False)


async def test_the_health_command_reports_readiness(system):
    # The second signal ends it.
    node = system.start_node(CHANNELGATE__SERVER__DRAIN_DELAY="60s")
    here = {"CHANNELGATE_LISTEN": f"{stack.LOOPBACK}:{node.port}"}
    asked = await asyncio.to_thread(health, **here)
    assert asked.returncode == 0 and "ready" in asked.stdout, asked
    # An open connection stays while the node drains.
    raw = await Raw.open(node.port, "/ws/")
    node.signal(signal.SIGTERM)
    await until(lambda: stack.http_status(node.port, "/health/ready") == 503, "the drain to begin")
    asked = await asyncio.to_thread(health, "--url", f"http://{stack.LOOPBACK}:{node.port}")
    assert asked.returncode == 1 and "draining" in asked.stderr, asked
    assert (await asyncio.to_thread(health, "--live", **here)).returncode == 0
    node.signal(signal.SIGTERM)
    raw.abort()
    asked = await asyncio.to_thread(health, CHANNELGATE_LISTEN=f"{stack.LOOPBACK}:{stack.free_port()}")
    assert asked.returncode == 1 and "not reachable" in asked.stderr, asked
