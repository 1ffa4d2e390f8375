"""What a node keeps of a client while it is there: topics, rooms, names, tokens, heads and variables.

Each row is an attack by three hundred clients (`rig.attack`).
"""

import asyncio
import json
import time

import pytest
from rig.attack import BOUNDS, CLIENTS, Target, attack, bounds, frame, post, served
from rig.demo import access_claims, mint
from rig.raw import BINARY, TEXT, Raw, request
from rig.system import API_KEY

pytestmark = pytest.mark.alone("measures memory")

#: What may be kept of all of them beside their connections.
STATE = CLIENTS * BOUNDS["limits.connection_state"]
#: What a client can send before its handshake is answered or its head is whole: a constant of actix.
READ_AHEAD = CLIENTS * (128 << 10)
#: Of a name that a client chooses; what a room of one member takes, with its name and its place in Redis.
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


async def test_what_a_token_says(node):
    async with attack(node, "a token of 15 kB each, with 5,500 values", STATE) as row:

        async def enter() -> Raw:
            claims = access_claims(len(row.raws))
            token = mint(user_id=str(time.monotonic_ns()), filler=[0] * 5500, **claims)
            return await Raw.open(row.port, f"/mine/?token={token}")

        await row.open(enter)


async def test_tokens_that_are_revoked(node):
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
async def test_the_head_that_a_session_came_with(node, where):
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


async def test_what_a_client_connects_to_a_namespace_with(node):
    async with attack(node, "100 kB of auth each", STATE) as row:
        await row.namespaces(auth=b'{"filler":[' + b"0," * 50_000 + b"0]}")


@pytest.mark.parametrize("protocol", ["plain", "socket.io"])
async def test_variables_that_a_handler_keeps(node, protocol):
    zeros = b"[" + b"0," * 20_000 + b"0]"
    async with attack(node, f"40 kB each in a variable: {protocol}", STATE) as row:
        if protocol == "plain":
            await row.sockets("/plain/")
            await row.write(frame(TEXT, b'{"type":"keep","data":' + zeros + b"}"))
        else:
            await row.namespaces()
            await row.write(frame(TEXT, b'42["keep",' + zeros + b"]"))


async def test_connections_that_say_nothing(node):
    async with attack(node, "three connections each without a byte", 3 * CLIENTS * 8192) as row:
        await row.open(lambda: Raw.tcp(row.port), 3 * CLIENTS)
        ended = asyncio.gather(*(raw.ended(8) for raw in row.raws), return_exceptions=True)
        assert not any(await ended), "they stay open"


async def test_handshakes_whose_admission_hangs(node):
    async with attack(node, "a handshake each that Django does not answer", CLIENTS * 16384) as row:
        await row.open(lambda: Raw.tcp(row.port))
        await row.write(request(row.port, "/slow/"))
        await served(node)


async def test_frames_before_the_handshake_is_answered(node):
    async with attack(node, "900 kB each behind a handshake that waits", READ_AHEAD) as row:
        await row.open(lambda: Raw.tcp(row.port))
        await row.write(request(row.port, "/slow/") + frame(BINARY, bytes(900_000)))


async def test_heads_that_never_end(node):
    async with attack(node, "120 kB of a head each", READ_AHEAD) as row:
        await row.open(lambda: Raw.tcp(row.port))
        await row.write(b"GET /plain/ HTTP/1.1\r\nHost: x\r\n" + (b"X-Filler: " + b"x" * 4000 + b"\r\n") * 30)
