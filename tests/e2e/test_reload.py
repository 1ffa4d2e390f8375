"""SIGHUP: what a node applies, what it refuses, and that its clients are not affected."""

import asyncio
import signal

from rig.client import Client, refusal, until
from rig.config import ECHO, ROOMS
from rig.http import Http
from rig.log import whole_log

FEED = """
[[consumer]]
path = "/feed/"
groups = ["feed"]
[consumer.on_event.tick]
send = "{'n': event.n, 'version': VERSION}"
"""


def feed(version: int, more: str = "") -> str:
    return more + FEED.replace("VERSION", str(version))


class Gate:
    """A node with a separate file, which can be rewritten."""

    def __init__(self, system, text: str, **env: str):
        self.system = system
        self.node = system.start_node(config=text, **env)
        self.port = self.node.port
        self.file = system.directory / f"{self.node.name}.toml"

    def count(self, outcome: str) -> float:
        return self.system.metric(self.node, "channelgate_reloads_total", outcome=outcome)

    async def reload(self, text: str | None, outcome: str) -> str:
        """Writes the file and sends SIGHUP; returns the node's log about it."""
        before = self.count(outcome)
        logged = len(whole_log(self.node))
        if text is not None:
            self.file.write_text(text)
        self.node.signal(signal.SIGHUP)
        await until(lambda: self.count(outcome) == before + 1, f"the reload to be {outcome}")
        return whole_log(self.node)[logged:]


async def publish(publisher, group: str, n: int) -> None:
    await publisher.group_send(group, {"type": "tick", "n": n})


async def test_new_connections_get_the_new_consumer_and_open_ones_keep_theirs(system):
    gate = Gate(system, feed(1) + ROOMS)
    old, room = await Client.open(gate.port, "/feed/"), await Client.open(gate.port, "/room/a/")
    log = await gate.reload(feed(2) + ROOMS + '\n[[consumer]]\npath = "/new/"\ngroups = ["feed"]\n', "applied")
    assert 'consumer "/feed/".on_event.tick.send' in log and "'version': 1" in log and "'version': 2" in log, log
    assert 'consumer "/new/".path: "/new/", which was not set' in log and "/room/" not in log.split("in order")[0], log
    new, fresh = await Client.open(gate.port, "/feed/"), await Client.open(gate.port, "/new/")
    async with system.publisher() as publisher:
        await publish(publisher, "feed", 1)
        await publish(publisher, "room_a", 2)
    assert await old.count(1) == [{"n": 1, "version": 1}]
    assert await new.count(1) == [{"n": 1, "version": 2}]
    assert (await room.count(1))[0]["n"] == 2
    # A consumer that is removed serves only its existing connections.
    await gate.reload(ROOMS, "applied")
    assert await refusal(gate.port, "/feed/") == 404
    async with system.publisher() as publisher:
        await publish(publisher, "feed", 3)
    assert (await old.count(2))[1] == {"n": 3, "version": 1}
    assert (await new.count(2))[1] == {"n": 3, "version": 2}
    for client in (old, new, room, fresh):
        assert client.closed is None
        await client.close()


async def test_a_bad_file_is_refused_completely_with_line_key_and_reason(system):
    gate = Gate(system, feed(1))
    bad = feed(2, "[server]\nmax_connections = 1\n\n[socket]\noutbox = 'large'\n")
    log = await gate.reload(bad, "refused")
    assert f"{gate.file}:5: socket.outbox: " in log and "the old configuration stays" in log, log
    log = await gate.reload(feed(2).replace("event.n", "evnt.n"), "refused")
    assert f"{gate.file}:6: consumer[0].on_event.tick.send: bad expression" in log and "did you mean" in log, log
    gate.file.unlink()
    assert "cannot be read" in await gate.reload(None, "refused")
    clients = [await Client.open(gate.port, "/feed/") for _ in range(2)]
    async with system.publisher() as publisher:
        await publish(publisher, "feed", 1)
    for client in clients:
        assert await client.count(1) == [{"n": 1, "version": 1}]
        await client.close()


async def test_keys_that_need_a_start_are_reported_and_stay_and_secrets_are_not_shown(system):
    gate = Gate(system, feed(1))
    assert "unchanged" in await gate.reload(None, "unchanged")
    needs = '[server]\nhandshake_timeout = "9s"\n[layer]\nlinger = "1s"\n[socket]\nping_interval = "3s"\n'
    log = await gate.reload(feed(1, needs), "unchanged")
    for line, key, stays in (
        (2, "server.handshake_timeout", "5s"),
        (4, "layer.linger", "5s"),
        (6, "socket.ping_interval", "20s"),
    ):
        assert f'{gate.file}:{line}: {key}: takes effect at the next start; "{stays}" stays in effect' in log, log
    key = '[auth]\nsecret_key_fallbacks = ["a-former-key"]\n'
    log = await gate.reload(feed(1, key), "applied")
    assert "auth.secret_key_fallbacks: changed" in log and "a-former-key" not in log, log
    client = await Client.open(gate.port, "/feed/")
    async with system.publisher() as publisher:
        await publish(publisher, "feed", 1)
    await client.count(1)
    await client.close()


async def test_origins_limits_and_keys_apply_to_the_next_handshake(system):
    gate = Gate(system, feed(1) + '[[consumer]]\npath = "/mine/"\nauth = ["jwt"]\n', DJANGO_SECRET_KEY="")
    here = {"origin": f"http://127.0.0.1:{gate.port}"}
    first = await Client.open(gate.port, "/feed/", **here)
    assert await refusal(gate.port, "/mine/") == 503
    config = feed(
        1, '[server]\nallowed_origins = ["shop.example"]\n[auth]\nsecret_key = "a-key-of-thirty-two-bytes-or-more!"\n'
    )
    await gate.reload(config + '[[consumer]]\npath = "/mine/"\nauth = ["jwt"]\n', "applied")
    assert await refusal(gate.port, "/feed/", **here) == 403
    shop = {"origin": "https://shop.example"}
    second = await Client.open(gate.port, "/feed/", **shop)
    assert await refusal(gate.port, "/mine/", **shop) == 403
    await gate.reload(feed(1, "[server]\nmax_connections = 2\n[socket]\nmax_message = 10\n"), "applied")
    assert await refusal(gate.port, "/feed/") == 503
    await second.close()
    await until(lambda: system.metric(gate.node, "channelgate_connections") == 1, "a place to be free")
    third = await Client.open(gate.port, "/feed/")
    # A limit is the one at the start of the connection.
    await first.send('"longer than ten bytes"')
    await third.send('"longer than ten bytes"')
    assert (await third.gone())[0] == 1009
    assert first.closed is None
    log = await gate.reload(feed(1, "[server]\nmax_connections = 200000\n"), "applied")
    assert "server.max_connections: takes effect at the next start; 100000 stays in effect" in log
    await first.close()


async def test_the_key_of_the_publish_api_changes_at_once(system):
    gate = Gate(system, feed(1), CHANNELGATE_API_KEY="")
    client = await Client.open(gate.port, "/feed/")
    body = {"group": "feed", "event": {"type": "tick", "n": 1}}

    async def status(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return (await Http(gate.port).post("/api/publish", data=body, headers=headers)).status

    assert await status("one") == 403
    for mine, other in (("one", "two"), ("two", "one")):
        log = await gate.reload(feed(1, f'[api]\nkey = "{mine}"\n'), "applied")
        assert "api.key: changed" in log
        assert (await status(mine), await status(other)) == (200, 401)
    await client.count(2)
    await client.close()


async def test_nothing_is_lost_or_duplicated_over_twenty_reloads(system):
    gate = Gate(system, feed(0) + ROOMS)
    clients = [await Client.open(gate.port, path) for path in ("/feed/", "/room/a/") for _ in range(10)]
    late: list[tuple[int, Client]] = []
    sent = 0
    going = True

    async def stream() -> None:
        nonlocal sent
        async with system.publisher(capacity=10_000) as publisher:
            while going:
                sent += 1
                await asyncio.gather(publish(publisher, "feed", sent), publish(publisher, "room_a", sent))

    streaming = asyncio.create_task(stream())
    for version in range(1, 21):
        await gate.reload(feed(version) + ROOMS, "applied")
        late.append((version, await Client.open(gate.port, "/feed/")))
        enough = sent + 10
        await until(lambda enough=enough: sent >= enough, "events between two reloads")
    going = False
    await streaming
    assert sent > 200
    for client in clients:
        await client.count_of(sent)
        assert [frame["n"] for frame in client.json()] == list(range(1, sent + 1))
    assert {frame["version"] for client in clients[:10] for frame in client.json()} == {0}
    for version, client in late:
        await client.wait(lambda client: client.frames and client.json()[-1]["n"] == sent, "the last event")
        numbers = [frame["n"] for frame in client.json()]
        assert numbers == list(range(numbers[0], sent + 1))
        assert {frame["version"] for frame in client.json()} == {version}
    for client in [*clients, *(client for _, client in late)]:
        assert client.closed is None
        await client.close()


async def test_socket_io_rooms_reach_clients_from_before_and_after_a_reload(system, sockets):
    gate = Gate(system, ECHO)
    old = await sockets.open(gate.port)
    assert await old.ask("join", "x") == ["joined"]
    changed = ECHO.replace('ack_args = "args"', "ack_args = \"['new'] + args\"", 1)
    await gate.reload(changed, "applied")
    new = await sockets.open(gate.port)
    assert await new.ask("join", "x") == ["joined"]
    assert (await old.ask("echo", 1), await new.ask("echo", 1)) == ([1], ["new", 1])
    for number, teller in enumerate((old, new)):
        await teller.emit("tell", "x", number)
        for socket in (old, new):
            assert await socket.data("told", number + 1) == number
    await old.emit("tell_others", "x", "bye")
    assert await new.data("told", 3) == "bye"
