"""`server.listen = "unix:/run/channelgate.sock"` behind nginx: WebSocket, Socket.IO, limits, drain."""

import asyncio
import os
import socket
import stat
import subprocess

import pytest
import stack
from rig import unix
from rig.client import Client, refusal, until
from rig.engine import BASE, Polling, open_socket
from rig.http import Http
from rig.raw import CLOSE, TEXT, Raw, request
from rig.system import API_KEY, ONE_WORKER


@pytest.fixture
def behind(system):
    """Two nodes at unix sockets, behind nginx."""
    paths = [system.directory / f"{name}.sock" for name in ("one", "two")]
    for path in paths:
        unix.start_node(system, path, wait=False, CHANNELGATE_ALLOWED_ORIGINS=stack.LOOPBACK)
    system.wait()
    # Both have as many clients.
    system.start_nginx(replace={**unix.upstreams(paths, [0, 0]), **ONE_WORKER})
    return system, paths


def metric(path, name: str) -> float:
    ended = subprocess.run(
        ["curl", "-s", "--unix-socket", path, "http://localhost/metrics"], capture_output=True, text=True, check=True
    )
    lines = (line.rpartition(" ") for line in ended.stdout.splitlines())
    return sum(float(value) for series, _, value in lines if series.partition("{")[0] == name)


async def test_nginx_reaches_nodes_at_unix_sockets_and_they_drain_like_any_other(behind):
    system, paths = behind
    port = system.nginx.port
    clients = [await Client.open(port, "/ws/", origin=f"http://{stack.LOOPBACK}:{port}") for _ in range(8)]
    assert [metric(path, "channelgate_connections") for path in paths] == [4, 4]
    async with system.publisher() as publisher:
        await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": "x" * 200_000})
    for client in clients:
        assert (await client.count(1))[0]["data"] == "x" * 200_000
    # Socket.IO, by WebSocket, and by polling whose requests reach either node: they relay to each other.
    raw = await open_socket(port)
    raw.abort()
    for _ in range(4):
        await (await Polling.open(port)).join()
    # And a polling session that continues on a WebSocket, on whichever node that comes out.
    for _ in range(4):
        polling = await Polling.open(port)
        await polling.join()
        raw = await Raw.open(port, f"{BASE}websocket&sid={polling.sid}")
        await raw.frame(TEXT, b"2probe")
        assert await raw.read() == (TEXT, b"3probe")
        raw.abort()
    # One stops: its clients are closed and come back to the other one; its file is gone.
    system.nodes[0].ask()
    await until(lambda: sum(client.closed is not None for client in clients) == 4, "the end of its clients")
    assert await asyncio.to_thread(system.nodes[0].join, 20) == 0
    assert [client.closed[0] for client in clients if client.closed] == [1012] * 4
    assert not paths[0].exists()
    again = [await Client.open(port, "/ws/", origin=f"http://{stack.LOOPBACK}:{port}") for _ in range(4)]
    assert metric(paths[1], "channelgate_connections") >= 8
    for client in again:
        await client.close()


async def test_clients_are_told_apart_by_what_the_proxy_names(system):
    path = system.directory / "node.sock"
    unix.start_node(system, path, CHANNELGATE__LIMITS__CONNECTIONS_PER_ADDRESS="1")
    port = system.start_nginx(replace=unix.upstreams([path], [0])).port
    origin = {"origin": f"http://{stack.LOOPBACK}:{port}"}
    first = await Client.open(port, "/ws/", **origin)
    assert await refusal(port, "/ws/", **origin) == 429
    # Another address; nginx appends what it sees, so that no client can invent one.
    raw = await Raw.tcp(port, local_addr=("127.0.0.2", 0))
    await raw.write(request(port, "/ws/"))
    assert (await raw.head())[0] == 101
    lying = await Raw.tcp(port)
    await lying.write(request(port, "/ws/", X_Forwarded_For="198.51.100.9"))
    assert (await lying.head())[0] == 429
    await first.close()


async def test_a_proxy_protocol_header_names_the_client(system):
    path = system.directory / "node.sock"
    limits = {"CHANNELGATE__SERVER__PROXY_PROTOCOL": "true", "CHANNELGATE__LIMITS__CONNECTIONS_PER_ADDRESS": "1"}
    node = unix.start_node(system, path, wait=False, **limits)

    async def handshake(address: str) -> int:
        raw = Raw(*await asyncio.open_unix_connection(str(path)))
        await raw.write(f"PROXY TCP4 {address} 10.0.0.1 1 2\r\n".encode() + request(80, "/ws/"))
        opened.append(raw)
        return (await raw.head())[0]

    opened: list[Raw] = []

    async def is_ready() -> bool:
        try:
            return await handshake("192.0.2.1") == 101
        except (FileNotFoundError, ConnectionRefusedError):
            # Its file is there a moment before it listens.
            return False

    await until(is_ready, "the layer")
    statuses = [await handshake(address) for address in ("192.0.2.2", "192.0.2.2", "192.0.2.3")]
    assert statuses == [101, 429, 101]
    assert node.running


async def test_permissions_a_stale_file_and_another_process(system):
    path = system.directory / "node.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    node = unix.start_node(system, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    # A second node does not take the place of a running one.
    second = unix.start_node(system, path, wait=False)
    assert await asyncio.to_thread(second.join, 20) == 1
    assert "another process listens there" in second.tail()
    # A killed node leaves its file behind; the next one replaces it, with the permissions of the configuration.
    node.kill()
    assert path.exists()
    third = unix.start_node(system, path, CHANNELGATE__SERVER__SOCKET_MODE='"606"')
    assert stat.S_IMODE(path.stat().st_mode) == 0o606
    assert await asyncio.to_thread(third.stop) == 0 and not path.exists()
    # What is no socket is never removed.
    path.write_text("precious")
    fourth = unix.start_node(system, path, wait=False)
    assert await asyncio.to_thread(fourth.join, 20) == 1
    assert "is not a socket" in fourth.tail() and path.read_text() == "precious"


async def test_the_commands_reach_a_node_at_its_socket(system):
    path = system.directory / "node.sock"
    unix.start_node(system, path)
    env = {**os.environ, **system.node_env(CHANNELGATE_LISTEN=f"unix:{path}")}
    here = {**env, "REDIS_URL": ""}

    def run(*arguments: str, env=env) -> subprocess.CompletedProcess:
        argv = [stack.binary(), *arguments]
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20, check=False)

    for arguments in (("health",), ("health", "--live"), ("health", "--url", f"unix:{path}")):
        ended = await asyncio.to_thread(run, *arguments)
        assert ended.returncode == 0, ended.stderr
    event = '{"type": "send_event", "event": "n", "data": 1}'
    raw = await unix.open_raw(path, "/ws/")
    for arguments, with_env in [
        (("publish", "broadcast", event, "--url", f"unix:{path}"), env),
        (("publish", "broadcast", event), here),
    ]:
        ended = await asyncio.to_thread(run, *arguments, env=with_env)
        assert ended.returncode == 0, ended.stderr
        assert (await raw.read())[1] == b'{"event":"n","data":1}'
    for arguments in (("--cluster",), ("--url", f"unix:{path}"), ()):
        tail = await asyncio.create_subprocess_exec(
            stack.binary(), "tail", "--json", *arguments, env=env, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(20):
            line = asyncio.create_task(tail.stdout.readline())
            while not line.done():
                await asyncio.to_thread(run, "publish", "broadcast", event)
                await asyncio.wait([line], timeout=0.05)
        assert b"broadcast" in line.result(), arguments
        tail.kill()
        await tail.wait()


async def test_a_unix_socket_of_the_service_manager(system):
    path = system.directory / "given.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        env = system.node_env(CHANNELGATE_LISTEN="127.0.0.1:1")
        node = stack.node(system.directory, 0, env, "given", listener=listener)
        node.ready = lambda: stack.http_status(0, "/health/ready", unix=path) == 200
        await asyncio.to_thread(system._start, node)
        raw = await unix.open_raw(path, "/ws/")
        node.ask()
        assert (await raw.read())[0] == CLOSE
        raw.abort()
        assert await asyncio.to_thread(node.join, 20) == 0
    assert path.exists(), "it belongs to the service manager"


async def test_refused_bodies_and_keys_are_answered_as_over_tcp(behind):
    system, paths = behind
    assert stack.http_status(0, "/api/publish", "POST", paths[0]) == 401
    assert stack.http_status(0, "/health/live", "HEAD", paths[0]) == 200
    reply = await Http(system.nginx.port).post("/api/websocket/disconnect", body=b"x" * 1_100_000, token=API_KEY)
    assert reply.status == 413
