"""Hostile or broken Socket.IO clients: they are closed properly, and other clients are not affected."""

import asyncio
import contextlib

import pytest
from rig.client import until
from rig.config import ECHO
from rig.engine import BASE, Polling, end_of, open_socket
from rig.http import Http
from rig.memory import memory
from rig.raw import BINARY, TEXT, Raw, request

LIMIT = 100_000
LIMITS = {"CHANNELGATE__SOCKETIO__MAX_PAYLOAD": str(LIMIT)}
#: For the nodes whose clients shall be closed by it: another one may need longer on a busy machine.
HASTY = {"CHANNELGATE__SOCKETIO__CONNECT_TIMEOUT": "1s"}
DEEP = b"[" * 50_000

#: Frames after which the connection is closed.
BROKEN = {
    "no Engine.IO type": [(TEXT, b"x")],
    "an unknown type": [(TEXT, b"9")],
    "an empty text": [(TEXT, b"")],
    "an open packet from a client": [(TEXT, b"0{}")],
    "no Socket.IO type": [(TEXT, b"4")],
    "an unknown Socket.IO type": [(TEXT, b"49")],
    "no JSON": [(TEXT, b"42[")],
    "an object for arguments": [(TEXT, b'42{"a":1}')],
    "no event's name": [(TEXT, b"42[]")],
    "a number for a name": [(TEXT, b"42[[]]")],
    "a reserved name": [(TEXT, b'42["disconnect"]')],
    "lists in lists in lists": [(TEXT, b'42["say",' + DEEP)],
    "an acknowledgement of nothing": [(TEXT, b"43[1]")],
    "unannounced bytes": [(BINARY, b"\x00\xff")],
    "text where an attachment is due": [(TEXT, b'451-["say",{"_placeholder":true,"num":0}]'), (TEXT, b'42["say"]')],
    "a million attachments": [(TEXT, b'451000000-["say",{"_placeholder":true,"num":0}]')],
    "no number of attachments": [(TEXT, b'45-["say",{"_placeholder":true,"num":0}]')],
    "an attachment that was not announced": [
        (TEXT, b'451-["say",{"_placeholder":true,"num":7}]'),
        (BINARY, b"bytes"),
    ],
    "an attachment over the limit": [
        (TEXT, b'451-["say",{"_placeholder":true,"num":0}]'),
        (BINARY, bytes(LIMIT + 1)),
    ],
    "a text over the limit": [(TEXT, b'42["say","' + b"x" * LIMIT + b'"]')],
}


@pytest.fixture(scope="module")
def nodes(module_system):
    """Three nodes with small limits, and two that wait for a CONNECT for a second only."""
    for more in ({}, {}, {}, HASTY, HASTY):
        module_system.start_node(wait=False, config=ECHO, **LIMITS, **more)
    module_system.wait()
    return module_system.nodes


async def undisturbed(sockets, port: int) -> None:
    client = await sockets.open(port)
    assert await client.ask("echo", "as ever") == ["as ever"]
    await sockets.close(client)


@pytest.mark.parametrize("what", BROKEN)
async def test_a_broken_packet_ends_its_connection(nodes, sockets, what):
    raw = await open_socket(nodes[0].port)
    with contextlib.suppress(ConnectionError):
        for opcode, payload in BROKEN[what]:
            await raw.frame(opcode, payload)
    assert await end_of(raw) is not None
    raw.abort()
    await undisturbed(sockets, nodes[0].port)


@pytest.mark.parametrize("body", [b"x", b"", b"\xff\xfe", b"4\x1e\x1e4", b"b!!!", b"42[", b"4" + DEEP])
async def test_a_broken_payload_is_refused_or_ends_its_session(nodes, sockets, body):
    session = await Polling.open(nodes[0].port)
    await session.join()
    reply = await session.post(body)
    assert reply.status in (200, 400), reply
    # After any answer the session is over: a poll reports that, and the next one does not find it.
    await until(lambda: polls(session, 400), "the session to be gone")
    await undisturbed(sockets, nodes[0].port)


@pytest.mark.parametrize("frame", [b"437[1]", b'42["nobody handles this"]', b"5", b"6", b"3"])
async def test_unusual_but_valid_packets_are_ignored(nodes, frame):
    raw = await open_socket(nodes[0].port)
    await raw.frame(TEXT, frame)
    await raw.frame(TEXT, b'421["echo",1]')
    opcode, payload = await raw.read()
    assert (opcode, payload) == (TEXT, b"431[1]")
    raw.abort()


async def polls(session: Polling, status: int) -> bool:
    return (await session.get()).status == status


async def answers(session: Polling, status: int, sid: str | None = None) -> bool:
    return (await session.post(b"3", sid)).status == status


async def test_a_payload_over_the_limit_is_refused(nodes, sockets):
    before = memory(nodes[0])
    session = await Polling.open(nodes[0].port)
    await session.join()
    big = b'42["say","' + b"x" * LIMIT + b'"]'
    assert (await session.post(big)).status == 413
    # Also without an announced length.
    raw = await Raw.tcp(nodes[0].port)
    path = f"{BASE}polling&sid={(await Polling.open(nodes[0].port)).sid}"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{nodes[0].port}\r\nTransfer-Encoding: chunked\r\n\r\n"
    await raw.write(head.encode())
    with contextlib.suppress(ConnectionError):
        for _ in range(200):
            await raw.write(b"4000\r\n" + bytes(0x4000) + b"\r\n")
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        assert (await raw.head())[0] == 413
    raw.abort()
    assert memory(nodes[0]) - before < 16 << 20
    await undisturbed(sockets, nodes[0].port)


async def test_forged_sids_are_unknown_on_every_node(nodes, sockets):
    ports = [node.port for node in nodes[:3]]
    first, second = [await Polling.open(ports[0]) for _ in range(2)], [await Polling.open(ports[1]) for _ in range(2)]
    assert len({session.sid for session in (*first, *second)}) == 4
    for session in (*first, *second):
        await session.join()
    one, other = first[0].sid, second[0].sid
    forged = {"x", "0" * len(one), one[::-1], one[:-1], one + "A", one[:-1] + ("A" if one[-1] != "A" else "B")}
    # Every combination of the parts of two real ones: the node of one with the secret of the other.
    forged |= {one[:cut] + other[cut:] for cut in range(1, len(one), 3)}
    forged |= {other[:cut] + one[cut:] for cut in range(1, len(one), 3)}
    forged |= {"A" * 5000, "..%2F..%2Fhealth", "%00", "%0d%0aHost:%20x", "%F0%9F%98%80", "127.0.0.1:1"}
    forged -= {one, other}
    for port in ports:
        session = Polling(port, first[0].handshake)
        for ask in (session.get, lambda sid, session=session: session.post(b"3", sid)):
            for reply in await asyncio.gather(*(ask(sid) for sid in forged)):
                assert (reply.status, reply.json()) == (400, {"code": 1, "message": "Session ID unknown"})
    for sid in sorted(forged)[:10]:
        raw = await Raw.tcp(ports[2])
        await raw.write(request(ports[2], f"{BASE}websocket&sid={sid}"))
        assert (await raw.head())[0] == 400, sid
        raw.abort()
    # The real ones are unchanged, from any node.
    for port in ports:
        session = Polling(port, first[0].handshake)
        assert (await session.post(b"3")).status == 200
    await undisturbed(sockets, ports[0])


async def test_a_session_of_a_node_that_is_gone_is_unknown(system, sockets):
    for _ in range(2):
        # A node that stands still for a while shall not count as dead.
        system.start_node(wait=False, config=ECHO, CHANNELGATE__CLUSTER__HEARTBEAT="2s")
    system.wait()
    session = await Polling.open(system.nodes[0].port)
    await session.join()
    relayed = Polling(system.nodes[1].port, session.handshake)
    assert await answers(relayed, 200)
    system.nodes[0].kill()
    reply = await relayed.post(b"3")
    assert reply.status in (400, 502, 503), reply
    await until(lambda: answers(relayed, 400), "the dead node to be forgotten")
    await undisturbed(sockets, system.nodes[1].port)


async def test_a_thousand_sockets_that_never_connect_are_closed_in_time(nodes, sockets):
    node = nodes[3]
    before = memory(node)
    idle = []
    for _ in range(20):
        idle += await asyncio.gather(*(open_socket(node.port, join=False) for _ in range(50)))
    assert memory(node) - before < 32 << 20
    # The time of the last one begins here, however long it took to open a thousand.
    loop = asyncio.get_running_loop()
    began = loop.time()
    # Others come and go meanwhile.
    await undisturbed(sockets, node.port)
    await asyncio.gather(*(raw.close_code(30) for raw in idle))
    # Long before a ping that is not answered would end them.
    assert loop.time() - began < 30
    for raw in idle:
        raw.abort()
    await undisturbed(sockets, node.port)


async def test_a_thousand_polling_sessions_that_are_never_polled_end_as_well(nodes, sockets):
    node = nodes[4]
    before = memory(node)
    sessions = []
    for _ in range(20):
        sessions += await asyncio.gather(*(Polling.open(node.port) for _ in range(50)))
    assert memory(node) - before < 32 << 20
    # Each worker ends its own.
    for session in (sessions[-1], *sessions[::100]):
        await until(lambda session=session: answers(session, 400), "the session to be gone")
    await undisturbed(sockets, node.port)


async def test_invalid_engine_io_requests_are_refused_like_the_reference_server(nodes):
    web = Http(nodes[0].port)
    transport = {"code": 0, "message": "Transport unknown"}
    version = {"code": 5, "message": "Unsupported protocol version"}
    method = {"code": 2, "message": "Bad handshake method"}
    wrong = [
        ("GET", "/socket.io/?EIO=4", transport),
        ("GET", "/socket.io/?EIO=4&transport=abc", transport),
        ("GET", "/socket.io/?EIO=3&transport=polling", version),
        ("GET", "/socket.io/?transport=polling", version),
        ("POST", "/socket.io/?EIO=4&transport=polling", method),
    ]
    for verb, path, problem in wrong:
        reply = await web.request(verb, path, body=b"40" if verb == "POST" else None)
        assert (reply.status, reply.json()) == (400, problem), path
