"""The state of a client on a node: topics, rooms, names, tokens, heads and variables.

Each row is an attack by three hundred clients (`rig.attack`).
"""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest
from rig.attack import BOUNDS, CLIENTS, Target, attack, bounds, frame, post, served
from rig.client import until
from rig.demo import access_claims, mint
from rig.engine import BASE, Polling
from rig.memory import memory
from rig.raw import BINARY, PING, TEXT, Raw, request
from rig.system import API_KEY

pytestmark = pytest.mark.alone("measures memory")

#: The maximum state of all clients, in addition to their connections.
STATE = CLIENTS * BOUNDS["limits.connection_state"]
#: The maximum head: a constant of actix.
HEADS = CLIENTS * (128 << 10)
#: The size of a name chosen by a client; the memory of a room with one member, including its name and its Redis data.
NAME, ROOM = 256, 2300


@pytest.fixture(scope="module")
def target(module_system, hanging):
    return Target(module_system, hanging, **bounds(), CHANNELGATE__SERVER__MAX_CONNECTIONS="3000")


@pytest.fixture
async def node(target):
    return await target.node()


async def test_topics(node):
    async with attack(node, "100 topics of 256 bytes each", CLIENTS * 100 * NAME) as row:
        await row.sockets("/plain/")

        async def subscribe(raw: Raw) -> None:
            names = [f"{id(raw)}_{number}_".ljust(NAME, "x") for number in range(100)]
            await raw.write(frame(TEXT, json.dumps({"type": "subscribe", "names": names}).encode()))

        await row.each(subscribe)


async def test_rooms(node):
    async with attack(node, "100 rooms each of their own", CLIENTS * 100 * ROOM) as row:
        await row.sockets("/plain/")

        async def join(raw: Raw) -> None:
            for number in range(110):
                name = f"{id(raw)}_{number}_".ljust(90, "x")
                await raw.write(frame(TEXT, json.dumps({"type": "join", "name": name}).encode()))
            await raw.write(frame(TEXT, b'{"type":"echo","data":1}'))
            await raw.read()

        await row.each(join, deadline=15)


async def test_names_of_presence(node):
    async with attack(node, "a name of 60 kB each", CLIENTS * NAME * 4) as row:
        numbers = iter(range(10_000))

        async def there() -> Raw:
            return await Raw.open(row.port, f"/there/?name={next(numbers)}_".ljust(60_000, "x"))

        await row.open(there)


async def test_claims_of_a_token(node):
    async with attack(node, "a token of 15 kB each, with 5,500 values", STATE) as row:

        async def enter() -> Raw:
            claims = access_claims(len(row.raws))
            token = mint(user_id=str(time.monotonic_ns()), filler=[0] * 5500, **claims)
            return await Raw.open(row.port, f"/mine/?token={token}")

        await row.open(enter)


async def test_revoked_tokens(node):
    async with attack(node, "3,000 tokens revoked", 3000 * 256) as row:
        raws = await row.open(lambda: Raw.tcp(row.port), 30)
        key = f"Bearer {API_KEY}"

        async def revoke(raw: Raw) -> None:
            for number in range(100):
                body = json.dumps({"token": f"{id(raw)}-{number}-" + "x" * 15_000}).encode()
                await raw.write(post(row.port, "/api/websocket/disconnect", len(body), body, Authorization=key))
                _, headers = await raw.head()
                await raw.reader.readexactly(int(headers["content-length"]))

        await row.each(revoke, raws, 20)


@pytest.mark.parametrize("where", ["query", "cookie", "authorization", "subprotocols"])
async def test_the_head_of_a_session(node, where):
    size = 60_000 if where == "query" else 110_000
    async with attack(node, f"{size // 1000} kB each in the {where}", STATE) as row:
        text = "x" * size
        match where:
            case "query":
                await row.namespaces(query=f"&filler={text}")
            case "cookie":
                await row.namespaces(Cookie=f"filler={text}")
            case "authorization":
                await row.namespaces(Authorization=f"Basic {text}")
            case "subprotocols":
                await row.namespaces(Sec_WebSocket_Protocol=text)


async def test_the_auth_data_of_a_namespace(node):
    async with attack(node, "100 kB of auth each", STATE) as row:
        await row.namespaces(auth=b'{"filler":[' + b"0," * 50_000 + b"0]}")


@pytest.mark.parametrize("protocol", ["plain", "socket.io"])
async def test_variables_set_by_a_handler(node, protocol):
    zeros = b"[" + b"0," * 20_000 + b"0]"
    async with attack(node, f"40 kB each in a variable: {protocol}", STATE) as row:
        if protocol == "plain":
            await row.sockets("/plain/")
            await row.write(frame(TEXT, b'{"type":"keep","data":' + zeros + b"}"))
        else:
            await row.namespaces()
            await row.write(frame(TEXT, b'42["keep",' + zeros + b"]"))


async def test_silent_connections(node):
    async with attack(node, "three connections each without a byte", 3 * CLIENTS * 8192) as row:
        await row.open(lambda: Raw.tcp(row.port), 3 * CLIENTS)
        ended = asyncio.gather(*(raw.ended() for raw in row.raws), return_exceptions=True)
        assert not any(await ended), "they stay open"


async def test_handshakes_with_a_hanging_admission(node):
    async with attack(node, "a handshake each that Django does not answer", CLIENTS * 16384) as row:
        await row.open(lambda: Raw.tcp(row.port))
        await row.write(request(row.port, "/slow/"))
        await served(node)


async def test_frames_before_the_handshake_is_answered(node):
    async with attack(node, "900 kB each behind a handshake that waits", 2 * CLIENTS * 16384) as row:
        await row.open(lambda: Raw.tcp(row.port))
        await row.write(request(row.port, "/slow/") + frame(BINARY, bytes(900_000)))


async def test_endless_heads(node):
    async with attack(node, "120 kB of a head each", HEADS) as row:
        await row.open(lambda: Raw.tcp(row.port))
        await row.write(b"GET /plain/ HTTP/1.1\r\nHost: x\r\n" + (b"X-Filler: " + b"x" * 4000 + b"\r\n") * 30)


async def test_attempts_to_connect_that_are_under_way_share_the_limit(node):
    """Each has a copy of the query: eight of them would take more than `limits.connection_state`."""
    query = "".join(f"&name{number}=value" for number in range(20))
    raw = await Raw.open(node.port, f"{BASE}websocket{query}")
    assert (await raw.read())[1].startswith(b"0{")
    await raw.write((frame(TEXT, b"40") + frame(TEXT, b"41")) * 8 + frame(PING, b""))
    answers = []
    while (received := await raw.read())[0] == TEXT:
        answers.append(received[1])
    assert any(answer.startswith(b"44") and b"too large" in answer for answer in answers), answers
    # When the others have ended, an attempt is admitted: each has one answer.
    answer = b"44"
    while answer.startswith(b"44"):
        await raw.write(frame(TEXT, b"40"))
        answer = (await raw.read())[1]
    assert answer.startswith(b"40{"), answer
    raw.abort()


@pytest.fixture(scope="module")
def patient(module_system):
    """A node that closes a client soon that reads nothing, and gives back at once what is free: what is held counts."""
    allocator = "dirty_decay_ms:0,muzzy_decay_ms:0"
    return module_system.start_node(CHANNELGATE__SOCKET__TCP_USER_TIMEOUT="2s", _RJEM_MALLOC_CONF=allocator)


#: As short as can be.
SHORT = b"GET / HTTP/1.1\r\nHost:x\r\n\r\n"
#: What a node holds for a client that sends ahead: the manual says 4 MB, and the rest is for its first requests.
SENT_AHEAD = 9_000_000


async def test_a_client_that_reads_no_answer_is_closed(patient):
    """Its requests and their answers fill the kernel's buffers; nothing else ends the connection."""
    raw = await Raw.tcp(patient.port, limit=1024)
    raw.reader._transport.pause_reading()
    client = raw.writer.get_extra_info("sockname")[1]
    before, most = memory(patient), 0
    writing = asyncio.create_task(raw.write(SHORT * 100_000))
    await asyncio.sleep(0)

    def is_closed() -> bool:
        nonlocal most
        most = max(most, memory(patient))
        return not is_established(patient.port, client)

    await until(is_closed, "the node to close the connection", 30)
    assert most - before < SENT_AHEAD, most - before
    raw.abort()
    await asyncio.gather(writing, return_exceptions=True)


async def test_requests_behind_one_that_waits_are_not_read(patient):
    """A poll is answered late; what was read meanwhile would be decoded at once then."""
    polling = await Polling.open(patient.port)
    raw = await Raw.tcp(patient.port, limit=1024)
    wait = f"GET {BASE}polling&sid={polling.sid} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    before, work = memory(patient), processor(patient)
    writing = asyncio.create_task(raw.write(wait + SHORT * 100_000))
    await asyncio.sleep(1)  # what it holds, and that it does not spin meanwhile
    assert processor(patient) - work < 0.5, "it spins"
    raw.reader._transport.pause_reading()
    await polling.post(b"40")
    most = 0
    for _ in range(50):
        most = max(most, memory(patient))
        await asyncio.sleep(0.02)
    assert most - before < SENT_AHEAD, most - before
    raw.abort()
    await asyncio.gather(writing, return_exceptions=True)


def processor(node) -> float:
    """The processor time that a node has used, in seconds."""
    fields = Path(f"/proc/{node.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_established(local: int, remote: int) -> bool:
    """Whether the kernel holds this end of a connection open."""
    ends = f":{local:04X} ", f":{remote:04X} 01 "
    return any(all(end in line for end in ends) for line in Path("/proc/net/tcp").read_text().splitlines())
