"""Ends: requested, forced, crashed, and never started."""

import asyncio
import itertools
import os
import re
import signal
import subprocess

import pytest
import stack
from rig.client import Client, refusal, until
from rig.http import Http
from rig.raw import Raw
from rig.system import System


async def open_many(node, number: int) -> list[Client]:
    return [await Client.open(node.port, "/ws/") for _ in range(number)]


@pytest.mark.alone("measures when sockets are closed")
async def test_a_drain_closes_every_socket_with_1012_spread_over_its_period(system):
    drain = {
        "CHANNELGATE__SERVER__DRAIN_DELAY": "6s",
        "CHANNELGATE__SERVER__DRAIN_PERIOD": "12s",
        "CHANNELGATE__SERVER__DRAIN_GRACE": "12s",
    }
    node = system.start_node(**drain)
    clients = await open_many(node, 60)
    loop = asyncio.get_running_loop()
    ended: list[float] = []
    for client in clients:
        client.reader.add_done_callback(lambda _task: ended.append(loop.time()))
    node.signal(signal.SIGTERM)

    async def unready() -> bool:
        return (await Http(node.port).get("/health/ready")).status == 503

    # The balancer learns of it first; sockets are still open then.
    await until(unready, "readiness to say 503", 5)
    assert not ended
    assert {(await client.gone())[0] for client in clients} == {1012}
    assert await asyncio.to_thread(node.join, 10) == 0
    await until(lambda: len(ended) == 60, "all to have ended")
    ended.sort()
    # Shares of the period that are long enough for a machine that stands still for a moment.
    assert ended[-1] - ended[0] > 7.2, "closed in one moment"
    steps = [later - earlier for earlier, later in itertools.pairwise(ended)]
    assert max(steps) < 3.6, "closed in lumps"


async def test_ctrl_c_waits_for_no_balancer_but_still_closes_connections(system):
    node = system.start_node(CHANNELGATE__SERVER__DRAIN_DELAY="60s", CHANNELGATE__SERVER__DRAIN_PERIOD="60s")
    clients = await open_many(node, 20)
    node.signal(signal.SIGINT)
    assert await asyncio.to_thread(node.join, 30) == 0
    assert {(await client.gone())[0] for client in clients} == {1012}


async def test_events_are_delivered_until_the_last_moment_of_a_drain(system):
    # Long enough for some events on a machine that stands still for a while.
    node = system.start_node(CHANNELGATE__SERVER__DRAIN_PERIOD="6s")
    clients = await open_many(node, 10)
    async with system.publisher() as publisher:
        node.signal(signal.SIGTERM)
        number = 0
        while any(client.closed is None for client in clients):
            await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": number})
            number += 1
            for client in clients:
                await client.wait(lambda one, n=number: len(one.frames) == n or one.closed, "the event, or the end")
    for client in clients:
        numbers = [frame["data"] for frame in client.json()]
        assert numbers == list(range(len(numbers))) and client.closed[0] == 1012
    # Only the last one may have come when all were closed.
    first, *_, last = sorted(len(client.frames) for client in clients)
    assert last >= number - 1 and last > first
    assert await asyncio.to_thread(node.join, 30) == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_at_once(system, second):
    node = system.start_node(CHANNELGATE__SERVER__DRAIN_PERIOD="60s", CHANNELGATE__SERVER__DRAIN_GRACE="60s")
    clients = await open_many(node, 20)
    node.signal(signal.SIGTERM)
    await until(lambda: _refuses(node), "the drain to begin")
    assert node.running
    node.signal(second)
    assert await asyncio.to_thread(node.join, 30) == 128 + second
    for client in clients:
        await client.gone()


async def _refuses(node) -> bool:
    try:
        return (await Http(node.port).get("/health/ready")).status != 200
    except OSError:
        return True


async def test_a_client_that_never_answers_its_close_does_not_delay_the_end(system):
    node = system.start_node()
    silent = [await Raw.open(node.port, "/ws/") for _ in range(5)]
    node.signal(signal.SIGTERM)
    assert await asyncio.to_thread(node.join, 15) == 0
    for raw in silent:
        assert await raw.close_code() == 1012
        raw.abort()


async def test_a_killed_node_costs_only_its_own_clients_who_come_back_through_nginx(system):
    nodes = [system.start_node(wait=False) for _ in range(3)]
    system.wait()
    nginx = system.start_nginx()
    origin = {"origin": f"http://127.0.0.1:{nginx.port}"}
    direct = [await Client.open(node.port, "/ws/") for node in nodes]
    through = [await Client.open(nginx.port, "/ws/", **origin) for _ in range(12)]
    nodes[0].kill()
    await direct[0].gone()
    lost = [client for client in through if client.closed is not None]
    await until(lambda: sum(client.closed is not None for client in through) == 4, "a third of the clients to be cut")
    lost = [client for client in through if client.closed is not None]
    # nginx retries handshakes to the dead node on another one: no client is refused.
    back = [await Client.open(nginx.port, "/ws/", **origin) for _ in lost]
    async with system.publisher() as publisher:
        for number in range(3):
            await publisher.group_send("broadcast", {"type": "send_event", "event": "n", "data": number})
    for client in [*direct[1:], *back, *(client for client in through if client not in lost)]:
        assert [frame["data"] for frame in await client.count(3)] == [0, 1, 2]
        await client.close()


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess:
    """Runs one command to its end."""
    return subprocess.run(
        [stack.binary(), *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


BAD = {
    "unknown key": ("[server]\nlisten = '127.0.0.1:0'\nlistne = 1\n", 3, "listne"),
    "unknown section": ("[sever]\nlisten = '127.0.0.1:0'\n", 1, "sever"),
    "wrong type": ("[server]\nworkers = 'many'\n", 2, "workers"),
    "no duration": ("[socket]\nping_interval = 'soon'\n", 2, "ping_interval"),
    "not TOML": ("[server\n", 1, ""),
    "typo in an expression": (
        '[[consumer]]\npath = "/ws/"\ngroups = ["x"]\n[consumer.on_event.x]\nsend = "{\'a\': }"\n',
        5,
        "send",
    ),
    "unknown way to authenticate": ('[[consumer]]\npath = "/ws/"\nauth = ["magic"]\n', 3, "auth"),
    "bad group": ('[[consumer]]\npath = "/ws/"\ngroups = ["room:1"]\n', 3, "groups"),
    "bad path": ('[[consumer]]\npath = "/ws/<float:x>/"\n', 2, "path"),
}


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_refused_with_its_line_key_and_reason(tmp_path, command, what):
    text, line, key = BAD[what]
    file = tmp_path / "gate.toml"
    file.write_text(text)
    result = run(command, "--config", str(file))
    assert result.returncode == 2
    assert f"gate.toml:{line}" in result.stderr and key in result.stderr, result.stderr


def test_a_bad_variable_is_refused_with_its_name():
    for name, value in {
        "CHANNELGATE_LAYER": "kafka",
        "CHANNELGATE_LISTEN": "nowhere",
        "REDIS_URL": "http://localhost",
        "CHANNELGATE__SOCKET__PING_INTERVAL": "soon",
        "CHANNELGATE__SOCKET__PONG_INTERVAL": "1s",
    }.items():
        result = run("check", **{name: value})
        assert result.returncode == 2 and name in result.stderr, (name, result)


def test_a_taken_port_is_a_failure_and_reported(system: System):
    node = system.start_node()
    result = run("serve", CHANNELGATE_LISTEN=f"127.0.0.1:{node.port}")
    assert result.returncode == 1 and str(node.port) in result.stderr, result


def test_the_effective_configuration_is_printed_without_secrets():
    secrets = {
        "REDIS_URL": "redis://:redis-password@127.0.0.1:1/0",
        "DJANGO_SECRET_KEY": "django-secret-key",
        "CHANNELGATE_LAYER_KEYS": "layer-key-one,layer-key-two",
        "CHANNELGATE_API_KEY": "publish-api-key",
    }
    result = run("print-config", CHANNELGATE__SOCKET__PING_INTERVAL="7s", **secrets)
    assert result.returncode == 0, result.stderr
    assert 'ping_interval = "7s"' in result.stdout and "/ws/notifications/" in result.stdout
    for word in ("redis-password", "django-secret", "layer-key", "publish-api"):
        assert word not in result.stdout + result.stderr


async def test_one_node_needs_no_redis(tmp_path):
    port = stack.free_port()
    node = stack.node(tmp_path, port, {"REDIS_URL": ""})
    for name in ("REDIS_URL", "CHANNELGATE_API_KEY"):
        node.env.pop(name, None)
    node.start().wait()
    try:
        client = await Client.open(port, "/ws/")
        event = {"type": "send_event", "event": "n", "data": 1}
        printed = re.compile(rf"http://127\.0\.0\.1:{port}/#key=(\w+)")
        await until(lambda: printed.search(node.log.read_text()), "the address with the key")
        key = printed.search(node.log.read_text())[1]
        reply = await Http(port).post("/api/publish", data={"group": "broadcast", "event": event}, token=key)
        assert (reply.status, reply.json()) == (200, {"accepted": 1})
        assert await client.count(1) == [{"event": "n", "data": 1}]
        assert await refusal(port, "/ws/notifications/") in (403, 503)
        page = await Http(port).get("/")
        assert page.status == 200 and page.headers["content-type"].startswith("text/html")
        await client.close()
    finally:
        node.stop()
