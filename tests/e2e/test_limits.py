"""Admission limits: of an address behind proxies, of a user over the cluster, of the rate of handshakes, of time."""

import asyncio
import contextlib
import json
import random
import re
import signal
import socket
import struct

import pytest
import stack
from rig.client import until
from rig.demo import mint_person
from rig.door import connect, fill, get_in, knock, stay
from rig.engine import BASE, Polling
from rig.http import Http
from rig.raw import CLOSE, TEXT, Raw, request

SIO = f"{BASE}websocket"

CONFIG = """
[[consumer]]
path = "/open/"
groups = ["broadcast"]
[consumer.on_event."*"]
send = "event"

[[consumer]]
path = "/mine/"
auth = ["jwt"]
groups = ["user_{{ user.id }}"]

[[consumer]]
path = "/told/"
auth = ["jwt"]
reject = { close = 4401, reason = "please log in" }

[[consumer]]
name = "main"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt", "anonymous"]
[consumer.on_message.hello]
ack = "'hello'"

[[consumer]]
name = "admin"
protocol = "socket.io"
path = "/socket.io/"
namespace = "/admin"
auth = ["jwt"]
"""


def limits(**keys) -> dict[str, str]:
    """Variables of `[limits]`."""
    return {f"CHANNELGATE__LIMITS__{key.upper()}": str(value) for key, value in keys.items()}


#: The clients of a storm are in one process: some send their requests late.
PATIENT = {"CHANNELGATE__SERVER__HANDSHAKE_TIMEOUT": "60s"}


def start(system, nodes: int = 1, proxies: str = "", config: str = CONFIG, **env):
    """Nodes with the configuration of these tests, which trust these proxies."""
    if proxies:
        env["CHANNELGATE__SERVER__TRUSTED_PROXIES"] = proxies
    started = [system.start_node(wait=False, config=config, **env) for _ in range(nodes)]
    system.wait()
    return started[0] if nodes == 1 else started


#: For a place that is given back: a busy machine may take this long, and nothing else gives one back so soon.
FREE = 30


def outcomes(system, outcome: str) -> float:
    return sum(system.metric(node, "channelgate_handshakes_total", outcome=outcome) for node in system.nodes)


async def test_an_address_has_a_limit_whatever_it_claims_to_be(system):
    node = start(system, **limits(connections_per_address=3))
    let_in, refused = await fill(node.port, "/open/", source="127.0.0.5", X_Forwarded_For="203.0.113.1")
    assert len(let_in) == 3 and refused.status == 429
    assert refused.body == {"detail": "too many connections from this address", "limit": "connections_per_address"}
    assert 5 <= refused.retry_after <= 15
    for spoof in ({"X_Forwarded_For": "203.0.113.77"}, {"Forwarded": "for=203.0.113.77"}, {"X_Real_IP": "203.0.113.7"}):
        assert (await knock(node.port, "/open/", source="127.0.0.5", **spoof)).status == 429
    other = await knock(node.port, "/open/", source="127.0.0.6", X_Forwarded_For="127.0.0.5")
    assert other.status == 101
    # Socket.IO comes from the same address.
    polled = await knock(node.port, SIO, source="127.0.0.5")
    told = {"code": 4, "message": "too many connections from this address", "limit": "connections_per_address"}
    assert (polled.status, polled.body) == (429, told)
    assert outcomes(system, "address_limit") == 5
    # Any end of a connection makes room.
    await let_in[0].raw.frame(CLOSE, b"\x03\xe8")
    let_in[1].raw.abort()
    await get_in(node.port, "/open/", FREE, source="127.0.0.5")
    await until(lambda: "is not in server.trusted_proxies" in node.log.read_text(), "the line about proxies")
    for one in (let_in[2], other):
        one.close()


async def test_an_upgraded_session_is_one_connection(system):
    node = start(system, **limits(connections_per_address=1))
    session = await Polling.open(node.port)
    assert (await Http(node.port).get(f"{BASE}polling")).status == 429
    upgraded = await knock(node.port, f"{SIO}&sid={session.sid}")
    assert upgraded.status == 101
    await upgraded.raw.frame(TEXT, b"2probe")
    assert (await upgraded.raw.read())[1] == b"3probe"
    await upgraded.raw.frame(TEXT, b"5")
    await upgraded.raw.frame(TEXT, b"40")
    while not (await upgraded.raw.read())[1].startswith(b"40{"):
        pass
    assert (await knock(node.port, "/open/")).status == 429
    upgraded.raw.abort()
    await get_in(node.port, "/open/", FREE)
    # A polling session, ended by its ping timeout or by its client, counts as one, too.
    await until(lambda: system.metric(node, "channelgate_connections") == 0, "the last one to leave")
    session = await Polling.open(node.port)
    assert (await knock(node.port, "/open/")).status == 429
    assert (await session.post(b"1")).status == 200
    await get_in(node.port, "/open/", FREE)


@pytest.mark.parametrize("nodes", [1, 3])
async def test_behind_nginx_clients_are_distinguished_and_cannot_spoof(system, nodes):
    # nginx writes `X-Forwarded-For: <the client's value>, <the client>`, and itself comes from 127.0.0.1.
    start(system, nodes, "127.0.0.1", **limits(connections_per_address=2))
    port = system.start_nginx().port
    path = "/ws/open/"
    config = (system.nginx.directory / "nginx" / "channelgate-locations.conf").read_text()
    assert "proxy_set_header X-Forwarded-For   $proxy_add_x_forwarded_for;" in config
    path = SIO
    let_in, refused = await fill(port, path, nodes=nodes, source="127.0.0.5")
    assert len(let_in) == 2 * nodes and refused.status == 429, refused.body
    for spoof in ("203.0.113.77", "127.0.0.1", "203.0.113.77, 127.0.0.1", "unknown", '"', "\\", "\xff", ",", "a, b"):
        answer = await knock(port, path, source="127.0.0.5", X_Forwarded_For=spoof)
        assert answer.status == 429, spoof
    assert (await knock(port, path, source="127.0.0.5", Forwarded="for=203.0.113.77")).status == 429
    # No client is locked out by another.
    others, refused = await fill(port, path, nodes=nodes, source="127.0.0.6", X_Forwarded_For="127.0.0.5")
    assert len(others) == 2 * nodes and refused.status == 429
    for one in [*let_in, *others]:
        one.close()
    await get_in(port, path, FREE, source="127.0.0.5")


async def test_a_node_behind_an_untrusted_proxy_serves_all_clients_by_default(system):
    start(system)
    port = system.start_nginx().port
    answers = await asyncio.gather(*(knock(port, SIO, source=f"127.0.0.{5 + number % 3}") for number in range(60)))
    assert {answer.status for answer in answers} == {101}
    for answer in answers:
        answer.close()


def proxied(client: str, version: int = 1) -> bytes:
    """A PROXY header for a client with an IPv4 address."""
    if version == 1:
        return f"PROXY TCP4 {client} 10.0.0.1 4711 8000\r\n".encode()
    addresses = socket.inet_aton(client) + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 4711, 8000)
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(addresses)) + addresses


@pytest.mark.parametrize("version", [1, 2])
async def test_a_trusted_proxy_names_clients_by_the_proxy_protocol(system, version):
    # actix-http looks at its timer before it reads: a node without a core for so long answers 408 to a whole request.
    env = {"CHANNELGATE__SERVER__PROXY_PROTOCOL": "true", "CHANNELGATE__SERVER__HANDSHAKE_TIMEOUT": "8s"}
    node = start(system, proxies="127.0.0.9", **env, **limits(connections_per_address=1))
    hop = {"source": "127.0.0.9"}
    held = await knock(node.port, "/open/", first=proxied("203.0.113.1", version), **hop)
    async with system.publisher() as publisher:
        await publisher.group_send("broadcast", {"type": "x", "n": 1})
    assert held.status == 101 and b'"n":1' in (await held.raw.read())[1]
    again = await knock(node.port, "/open/", first=proxied("203.0.113.1", version), X_Forwarded_For="9.9.9.9", **hop)
    assert again.status == 429, "its own header is not trusted"
    other = await knock(node.port, "/open/", first=proxied("203.0.113.2", version), **hop)
    assert other.status == 101
    # Other peers are counted as themselves, and may not send a header; a trusted proxy must.
    itself = await knock(node.port, "/open/", source="127.0.0.5")
    assert itself.status == 101
    for source, first in (("127.0.0.5", proxied("203.0.113.3", version)), ("127.0.0.9", b"")):
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await knock(node.port, "/open/", source=source, first=first)
    # And in time.
    raw = await Raw.tcp(node.port, local_addr=("127.0.0.9", 0))
    await raw.write(proxied("203.0.113.3", version)[:14])
    await raw.ended()
    assert outcomes(system, "proxy_protocol") == 3
    for one in (held, other, itself):
        one.close()


async def test_an_ipv6_client_is_its_64_bits(system):
    node = start(system, proxies="127.0.0.1", **limits(connections_per_address=1))
    held = await knock(node.port, "/open/", X_Forwarded_For="2001:db8::1")
    assert held.status == 101
    assert (await knock(node.port, "/open/", X_Forwarded_For="2001:db8::ffff:ffff")).status == 429
    other = await knock(node.port, "/open/", X_Forwarded_For="2001:db8:0:1::1")
    assert other.status == 101
    held.close(), other.close()


async def test_a_user_has_a_limit_over_all_nodes(system):
    one, two = start(system, 2, **limits(connections_per_user=2))
    person, other = mint_person(7), mint_person(8)
    held = [await knock(node.port, "/mine/", token=person.token) for node in (one, two)]
    assert [answer.status for answer in held] == [101, 101]
    for node in (one, two):
        refused = await knock(node.port, "/mine/", token=person.token)
        assert refused.status == 429 and 5 <= refused.retry_after <= 15
        assert refused.body == {"detail": "too many connections of this user", "limit": "connections_per_user"}
    assert outcomes(system, "user_limit") == 2
    answer = await knock(two.port, "/mine/", token=other.token)
    assert answer.status == 101
    answer.close()
    assert (await knock(one.port, "/open/")).status == 101, "an anonymous client is not counted"
    held[0].raw.abort()
    await get_in(two.port, "/mine/", FREE, token=person.token)
    held[1].close()


async def test_a_consumer_that_closes_with_a_code_asks_a_user_to_retry_later(system):
    node = start(system, **limits(connections_per_user=1))
    person = mint_person(7)
    held = await knock(node.port, "/told/", token=person.token)
    refused = await knock(node.port, "/told/", token=person.token)
    assert refused.status == 101
    opcode, payload = await refused.raw.read()
    assert (opcode, payload) == (CLOSE, b"\x03\xf5too many connections of this user")
    # Without a token, the consumer's text.
    stranger = await knock(node.port, "/told/")
    assert (await stranger.raw.read())[1] == b"\x11\x31please log in"
    for one in (held, refused, stranger):
        one.close()


async def test_the_limit_of_a_user_is_exact_with_concurrent_connections(system):
    nodes = start(system, 3, **limits(connections_per_user=5))
    for user in range(5):
        token = mint_person(user).token
        ports = [random.choice(nodes).port for _ in range(30)]
        answers = await asyncio.gather(*(knock(port, "/mine/", token=token) for port in ports))
        let_in = [answer for answer in answers if answer.status == 101]
        assert len(let_in) == 5 and {answer.status for answer in answers} == {101, 429}
        for answer in let_in:
            answer.close()
        await get_in(nodes[0].port, "/mine/", FREE, token=token)


async def test_socket_io_refuses_a_user_at_connect_and_counts_a_client_once(system):
    one, two = start(system, 2, **limits(connections_per_user=1))
    token = mint_person(7).token
    raw, answer = await connect(one.port, token)
    assert answer.startswith("40{")
    # Another namespace of the same connection, at the same time or later.
    raw, answer = await connect(one.port, token, "/admin", raw=raw)
    assert answer.startswith("40{")
    for port in (one.port, two.port):
        other, answer = await connect(port, token)
        assert answer == '44{"message":"too many connections of this user"}'
        # Its connection stays, and may be admitted anonymously.
        other, answer = await connect(port, raw=other)
        assert answer.startswith("40{")
        other.abort()
    assert (await knock(two.port, "/mine/", token=token)).status == 429
    # Leaving one namespace keeps the permit; leaving the last one frees it, although the connection stays.
    await raw.frame(TEXT, b"41/admin,")
    await raw.frame(TEXT, b'420["hello"]')
    assert (await raw.read())[1] == b'430["hello"]'
    assert (await knock(two.port, "/mine/", token=token)).status == 429
    await raw.frame(TEXT, b"41")
    await get_in(two.port, "/mine/", FREE, token=token)
    raw.abort()


async def test_two_namespaces_that_connect_at_once_are_one_connection(system):
    node = start(system, **limits(connections_per_user=1))
    # Each time another user: the permit of the last one may still be taken.
    for user in range(7, 17):
        token = mint_person(user).token
        raw = (await knock(node.port, SIO)).raw
        await raw.read()
        auth = json.dumps({"token": token})
        await raw.frame(TEXT, f"40{auth}".encode())
        await raw.frame(TEXT, f"40/admin,{auth}".encode())
        answers = [(await raw.read())[1].decode() for _ in range(2)]
        assert all("sid" in answer for answer in answers), answers
        raw.abort()
        await get_in(node.port, "/mine/", FREE, token=token)


async def test_the_real_client_learns_of_the_limit(system, sockets):
    node = start(system, **limits(connections_per_user=1))
    person = mint_person(7)
    await sockets.open(node.port, person)
    second = await sockets.start(node.port, person.token)
    assert (await second.refused())["message"] == "too many connections of this user"


def scripts(system) -> int:
    """The number of scripts that Redis has run."""
    found = re.search(r"cmdstat_evalsha:calls=(\d+)", stack.redis_command(system.redis.port, "INFO commandstats"))
    return int(found[1]) if found else 0


@pytest.mark.parametrize("most", [0, 100])
async def test_a_handshake_with_a_token_costs_one_exchange_with_redis_and_none_without_the_limit(system, most):
    # Heartbeats are scripts, too: there is one at the start, perhaps after the node is ready.
    node = start(system, **{"CHANNELGATE__CLUSTER__HEARTBEAT": "60s"}, **limits(connections_per_user=most))
    await until(lambda: ":1" in stack.redis_command(system.redis.port, "ZCARD channelgate:nodes"), "the heartbeat")
    token = mint_person(7).token
    held = [await knock(node.port, "/mine/", token=token)]
    before = scripts(system)
    held += [await knock(node.port, "/mine/", token=token) for _ in range(20)]
    held += [await knock(node.port, "/open/") for _ in range(20)]
    assert scripts(system) - before == (20 if most else 0)
    # Concurrent requests share an exchange.
    before = scripts(system)
    held += await asyncio.gather(*(knock(node.port, "/mine/", token=token) for _ in range(50)))
    assert scripts(system) - before <= (50 if most else 0)
    assert {answer.status for answer in held} == {101}
    for answer in held:
        answer.close()


async def test_while_redis_is_frozen_a_user_is_refused_in_time_and_no_permit_is_lost(system):
    node = start(system, **{"CHANNELGATE__CLUSTER__HEARTBEAT": "1s"}, **limits(connections_per_user=1))
    token, other = mint_person(7).token, mint_person(8).token
    held = await knock(node.port, "/told/", token=token)
    system.redis.signal(signal.SIGSTOP)
    loop = asyncio.get_running_loop()
    began = loop.time()
    # A consumer without groups, so that only the count needs Redis.
    answers = await asyncio.gather(*(knock(node.port, "/told/", token=other) for _ in range(10)))
    # In five seconds, and not when the admission has lasted for too long.
    assert loop.time() - began < 13
    # The consumer closes those that it refuses: 1013 is its 503.
    assert {answer.status for answer in answers} == {101}
    assert {await answer.raw.close_code() for answer in answers} == {1013}
    assert system.metric(node, "channelgate_handshakes_total", outcome="unavailable") == len(answers)
    system.redis.signal(signal.SIGCONT)
    await get_in(node.port, "/told/", FREE, token=other)
    refused = await knock(node.port, "/told/", token=token)
    assert await refused.raw.close_code() == 1013, "an open connection holds the only permit"
    held.close(), refused.close()


@pytest.mark.alone("bounds the time until permits are free")
async def test_the_permits_of_a_killed_node_are_free_after_three_heartbeats(system):
    heartbeat = {"CHANNELGATE__CLUSTER__HEARTBEAT": "500ms"}
    one, two = start(system, 2, **heartbeat, **limits(connections_per_user=2))
    token = mint_person(7).token
    held = [await knock(one.port, "/mine/", token=token) for _ in range(2)]
    assert (await knock(two.port, "/mine/", token=token)).status == 429
    one.kill()
    # The lease of 1.5 s, from the last heartbeat; and a margin for a busy machine. By default it is nine seconds.
    await get_in(two.port, "/mine/", 7, token=token)
    for answer in held:
        answer.close()


async def test_a_node_that_stops_gives_its_permits_back_at_once(system):
    one, two = start(system, 2, **{"CHANNELGATE__CLUSTER__HEARTBEAT": "20s"}, **limits(connections_per_user=1))
    token = mint_person(7).token
    held = await knock(one.port, "/mine/", token=token)
    assert (await knock(two.port, "/mine/", token=token)).status == 429
    assert one.stop() == 0
    # Its lease is a minute.
    await get_in(two.port, "/mine/", FREE, token=token)
    held.close()


async def test_open_connections_count_again_after_redis_lost_everything(system):
    heartbeat = {"CHANNELGATE__CLUSTER__HEARTBEAT": "500ms"}
    one, two = start(system, 2, **heartbeat, **limits(connections_per_user=1))
    token = mint_person(7).token
    held = await knock(one.port, "/mine/", token=token)
    system.redis.kill()
    gone = await knock(two.port, "/mine/", token=token)
    assert gone.status == 503 and "retry-after" in gone.headers
    system.restart_redis()
    redis = system.parts[-1]
    assert redis.running

    async def counted() -> bool:
        return (await knock(two.port, "/mine/", token=token)).status == 429

    await until(counted, "the connection to be counted again")
    held.close()
    await get_in(two.port, "/mine/", 20, token=token)


@pytest.mark.alone("storms a node, and counts handshakes by time")
async def test_a_storm_beyond_the_rate_gets_retry_times_and_the_node_stays_healthy(system):
    node = start(system, **PATIENT, **limits(handshakes_per_second=20, handshake_burst=50))
    web, loop = Http(node.port), asyncio.get_running_loop()
    paths, began = ["/open/", SIO, "/open/"], loop.time()
    storm = asyncio.gather(*(knock(node.port, paths[number % 3]) for number in range(600)))
    assert (await web.get("/health/ready")).status == 200
    answers = await storm
    took = loop.time() - began
    let_in = [answer for answer in answers if answer.status == 101]
    refused = [answer for answer in answers if answer.status != 101]
    assert 50 <= len(let_in) <= 50 + 20 * took, (len(let_in), took)
    assert {answer.status for answer in refused} == {503}
    assert {answer.body["limit"] for answer in refused} == {"handshakes_per_second"}
    assert len({answer.retry_after for answer in refused}) >= 4, "they do not come back together"
    assert all(1 <= answer.retry_after <= 6 for answer in refused)
    assert outcomes(system, "rate_limit") == len(refused)
    assert (await web.get("/health/ready")).status == 200
    # Connected clients are served, and refused clients get in later.
    async with system.publisher() as publisher:
        await publisher.group_send("broadcast", {"type": "x", "n": 1})
    plain = next(answer for answer in let_in if answer in answers[0::3])
    assert b'"n":1' in (await plain.raw.read())[1]
    await get_in(node.port, "/open/", 30)
    for answer in let_in:
        answer.close()


@pytest.mark.alone("storms a node, and counts handshakes by time")
async def test_a_storm_from_one_address_does_not_affect_another(system):
    keys = {"handshakes_per_second_per_address": 2, "handshake_burst_per_address": 5, "handshakes_per_second": 30}
    node = start(system, **PATIENT, **limits(**keys))
    began = asyncio.get_running_loop().time()
    storm = asyncio.gather(*(knock(node.port, "/open/", source="127.0.0.5") for _ in range(200)))
    others = [await knock(node.port, "/open/", source="127.0.0.6") for _ in range(4)]
    assert [answer.status for answer in others] == [101] * 4
    answers = await storm
    took = asyncio.get_running_loop().time() - began
    refused = [answer for answer in answers if answer.status != 101]
    assert 195 - 2 * took <= len(refused) <= 195, (len(refused), took)
    assert {(answer.status, answer.body["limit"]) for answer in refused} == {(429, "handshakes_per_second_per_address")}
    for answer in [*others, *answers]:
        answer.close()


@contextlib.asynccontextmanager
async def silent_backend():
    """Accepts requests and never answers them."""
    asked = asyncio.Event()

    async def take(reader, writer):
        asked.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


ADMISSION = """
[[consumer]]
path = "/slow/"
auth = ["jwt"]
groups = ["slow"]
[consumer.on_admit]
call = { action = "whoAreYou" }

[[consumer]]
path = "/open/"

[[consumer]]
name = "slow"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
[consumer.on_admit]
call = { action = "whoAreYou" }
"""


async def test_admission_has_one_deadline(system):
    async with silent_backend() as (backend, asked):
        env = {"CHANNELGATE_BACKEND_URL": f"http://127.0.0.1:{backend}/", "CHANNELGATE__BACKEND__TIMEOUT": "30s"}
        held = limits(admission_timeout="700ms", connections_per_address=3, connections_per_user=1)
        node = start(system, config=ADMISSION, **env, **held)
        token = mint_person(7).token
        loop = asyncio.get_running_loop()
        began = loop.time()
        late = await knock(node.port, "/slow/", token=token)
        # Far from the backend's own deadline.
        assert 0.6 < loop.time() - began < 15
        assert late.status == 503 and "retry-after" in late.headers
        await until(asked.is_set, "the backend to be asked")
        assert outcomes(system, "timeout") == 1
        raw, answer = await connect(node.port, token)
        assert answer == '44{"message":"Service unavailable"}'
        assert outcomes(system, "timeout") == 2
        raw.abort()
        # A client that leaves meanwhile no longer holds a permit, either.
        for _ in range(3):
            gone = await Raw.tcp(node.port)
            await gone.write(request(node.port, "/slow/", Authorization=f"Bearer {token}"))
            gone.abort()

        async def all_free() -> bool:
            answers = [await knock(node.port, "/open/") for _ in range(3)]
            for one in answers:
                one.close()
            return [one.status for one in answers] == [101] * 3

        await until(all_free, "three places")


async def test_connections_in_admission_count(system):
    async with silent_backend() as (backend, _):
        env = {"CHANNELGATE_BACKEND_URL": f"http://127.0.0.1:{backend}/", "CHANNELGATE__BACKEND__TIMEOUT": "30s"}
        env["CHANNELGATE__SERVER__MAX_CONNECTIONS"] = "3"
        node = start(system, config=ADMISSION, **env, **limits(admission_timeout="6s"))
        token = mint_person(7).token
        answers = await asyncio.gather(*(knock(node.port, "/slow/", token=token) for _ in range(12)))
        told = sorted(answer.body["detail"] for answer in answers)
        full = "the node has no room for more connections"
        assert told == ["admission took too long"] * 3 + [full] * 9
        assert {answer.body.get("limit") for answer in answers} == {None, "max_connections"}
        let_in, refused = await fill(node.port, "/open/")
        assert len(let_in) == 3 and refused.status == 503
        for one in let_in:
            one.close()


async def test_a_silent_connection_is_closed(system):
    node = start(system, **{"CHANNELGATE__SERVER__HANDSHAKE_TIMEOUT": "1s"})
    for sent in (b"", b"GET /open/ HT", b"GET /open/ HTTP/1.1\r\nHost: x\r\n"):
        raw = await Raw.tcp(node.port)
        await raw.write(sent)
        await raw.ended()
    # One byte now and then does not help.
    raw = await Raw.tcp(node.port)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with contextlib.suppress(ConnectionError):
        for byte in b"GET /open/ HTTP/1.1\r\n" + b"X-Long: " + b"x" * 1000:
            await raw.write(bytes([byte]))
            if raw.reader.at_eof():
                break
            await asyncio.sleep(0.1)
            assert loop.time() - began < 15
    await raw.ended()


async def test_a_session_without_a_namespace_is_closed(system):
    node = start(system, **{"CHANNELGATE__SOCKETIO__CONNECT_TIMEOUT": "5s"}, **limits(connections_per_address=2))
    raw = (await knock(node.port, SIO)).raw
    await raw.read()
    session = await Polling.open(node.port)
    assert (await knock(node.port, "/open/")).status == 429
    assert await raw.close_code() == 1008
    raw.writer.close()
    answers = [await stay(node.port, "/open/", FREE) for _ in range(2)]
    assert (await session.get()).status in (200, 400)
    for answer in answers:
        answer.close()


async def test_after_any_number_of_ends_every_permit_is_free(system):
    keys = limits(connections_per_address=30, connections_per_user=10)
    one, two = start(system, 2, proxies="127.0.0.1", **keys)
    people = [mint_person(user) for user in range(4)]
    end = random.Random(4)

    async def one_client(number: int) -> None:
        port, person = (one, two)[number % 2].port, end.choice(people)
        headers = {"X_Forwarded_For": f"203.0.113.{number % 5}"}
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            match end.randrange(5):
                case 0:
                    raw = await Raw.tcp(port)
                    token = f"Bearer {person.token}"
                    await raw.write(request(port, "/mine/", Authorization=token, **headers))
                    raw.abort()
                case 1:
                    answer = await knock(port, "/mine/", token=person.token, **headers)
                    if answer.status == 101:
                        await answer.raw.frame(CLOSE, b"\x03\xe8")
                        await answer.raw.ended()
                case 2:
                    answer = await knock(port, "/mine/", token=person.token, **headers)
                    answer.raw.abort()
                case 3:
                    answer = await knock(port, SIO, **headers)
                    if answer.status == 101:
                        await answer.raw.frame(TEXT, b"40" + json.dumps({"token": person.token}).encode())
                    answer.raw.abort()
                case 4:
                    answer = await knock(port, "/mine/", token="not a token", **headers)
                    assert answer.status in (403, 429)

    for start_at in range(0, 400, 50):
        await asyncio.gather(*(one_client(number) for number in range(start_at, start_at + 50)))

    async def free() -> bool:
        addresses, users = [], []
        for node in (one, two):
            let_in, _ = await fill(node.port, "/open/", X_Forwarded_For="203.0.113.1")
            addresses.append(len(let_in))
            for answer in let_in:
                answer.close()
        for person in people:
            let_in, _ = await fill(one.port, "/mine/", token=person.token)
            users.append(len(let_in))
            for answer in let_in:
                answer.close()
        return addresses == [30, 30] and users == [10] * 4

    await until(free, "every place to be free", pause=0.5)
