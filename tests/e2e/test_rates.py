"""Limits of what clients may send: a rate, then they wait; and a number of rooms and topics."""

import asyncio
import json
import time

import pytest
import stack
from rig.client import Client, until
from rig.config import ECHO
from rig.engine import Polling
from rig.raw import CLOSE, PING, TEXT, Raw, encode

TALK = """
[[consumer]]
path = "/talk/"
[consumer.on_raw."*"]
reply_raw = "message"

[[consumer]]
path = "/rooms/"
max_rooms = 10
[consumer.on_message.join]
join = "{{ message.rooms }}"
allow = ["room_<int>"]
failed = "'no'"
reply = "'joined'"
[consumer.on_message.ask]
[consumer.on_message.ask.call]
action = "rooms"
[consumer.on_message.ask.call.ok]
join = "{{ result.body.rooms }}"
failed = "'no'"
reply = "'joined'"
[consumer.on_message.count]
reply = "'here'"
[consumer.on_event."*"]
send = "group"

[[consumer]]
path = "/topics/"
groups = ["topics"]
topics = { max = 10 }
[consumer.on_message.subscribe]
subscribe = "message.topics"
[consumer.on_event.told]
topic = "event.topic"
send = "event"
"""


@pytest.fixture
def slow_talk(system):
    """A node that accepts a hundred frames and ten thousand bytes a second, ten times as many at once."""
    return system.start_node(
        config=TALK + ECHO,
        CHANNELGATE__SOCKET__MAX_FRAMES_PER_SECOND="100",
        CHANNELGATE__SOCKET__MAX_BYTES_PER_SECOND="20000",
    )


@pytest.mark.alone("measures how fast a client is read, and what another waits")
@pytest.mark.parametrize(
    ("frame", "count"),
    [(encode(TEXT, b"x"), 1400), (encode(PING, b""), 1400), (encode(TEXT, b"x" * 280_000), 1)],
    ids=["messages", "pings", "bytes"],
)
async def test_a_client_that_sends_too_fast_waits_loses_nothing_and_delays_no_other(system, slow_talk, frame, count):
    raw, other = await Raw.open(slow_talk.port, "/talk/", limit=2**20), await Client.open(slow_talk.port, "/talk/")
    began = time.perf_counter()
    await raw.write(frame * count)
    for _ in range(count):
        await raw.read(30)
    await until(lambda: system.metric(slow_talk, "channelgate_holds_total", reason="rate") >= 1, "it to be held")
    await raw.frame(TEXT, b"the last")
    last, took = asyncio.create_task(raw.read(30)), []
    # While the first one waits; a machine that stands still for a moment delays one answer.
    for number in range(1, 4):
        start = time.perf_counter()
        await other.send("and I?")
        await other.wait(lambda client, number=number: client.frames == ["and I?"] * number, "an answer to another one")
        took.append(time.perf_counter() - start)
    assert min(took) < 1 and not last.done()
    # Four seconds' worth too much.
    assert await last == (TEXT, b"the last")
    assert 4 <= time.perf_counter() - began < 20
    raw.abort()
    await other.close()


async def test_a_polling_client_that_sends_too_fast_is_answered_late_and_one_that_never_stops_is_closed(
    system, slow_talk
):
    late = await Polling.open(slow_talk.port)
    await late.join()
    start = time.perf_counter()
    assert (await late.post(b"\x1e".join([b'42["echo",1]'] * 1300))).status == 200
    assert time.perf_counter() - start >= 3
    assert system.metric(slow_talk, "channelgate_holds_total", reason="rate") == 1
    ended = await Polling.open(slow_talk.port)
    await ended.join()
    assert (await ended.post(b"\x1e".join([b'42["echo",1]'] * 20_000))).status == 400
    assert system.metric(slow_talk, "channelgate_closes_total", reason="rate") == 1
    assert system.metric(slow_talk, "channelgate_refused_messages_total", reason="rate") == 1
    assert (await ended.get()).status == 400


async def test_rooms_are_bounded_in_one_message_and_in_backend_answers(system):
    rooms = [f"room_{number}" for number in range(300)]

    async def backend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"rooms": rooms}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    server = await asyncio.start_server(backend, stack.LOOPBACK, 0)
    url = f"http://{stack.LOOPBACK}:{server.sockets[0].getsockname()[1]}/"
    node = system.start_node(config=TALK, CHANNELGATE_BACKEND_URL=url)
    for round_, message in enumerate([{"type": "join", "rooms": rooms}, {"type": "ask"}], 1):
        client = await Client.open(node.port, "/rooms/")
        await client.send(message)
        assert await client.count(1) == ["no"]
        assert system.metric(node, "channelgate_refused_messages_total", reason="too_many_rooms") == round_
        # It is in as many as permitted, and continues.
        async with system.publisher() as publisher:
            for room in rooms[:20]:
                await publisher.group_send(room, {"type": "said"})
        assert sorted(await client.count(11)) == ["no", *rooms[:10]]
        await client.send({"type": "count"})
        assert (await client.count(12))[-1] == "here"
        await client.close()
    server.close()


async def test_topics_are_bounded_in_one_message_and_in_many(system):
    node = system.start_node(config=TALK)
    names = [f"topic_{number}" for number in range(300)]
    for messages in ([names], [[name] for name in names[:11]]):
        raw = await Raw.open(node.port, "/topics/")
        for topics in messages:
            await raw.frame(TEXT, json.dumps({"type": "subscribe", "topics": topics}).encode())
        opcode, payload = await raw.read()
        assert opcode == CLOSE and payload[:2] == (1008).to_bytes(2)
        raw.abort()
    assert system.metric(node, "channelgate_closes_total", reason="too_many_topics") == 2
