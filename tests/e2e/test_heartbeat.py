"""A consumer's own heartbeat: the message that clients get, the answers that count, and the end without them."""

import asyncio
import json
import signal

import pytest
from rig.check import refused, run
from rig.client import Client, until

#: A client that answers at once has three seconds for it: on a busy machine it may stand still itself.
CONFIG = """
[socket]
max_frames_per_second = 40

[[consumer]]
name = "json"
path = "/ws/json/"
heartbeat = { every = "3s", send = "{'type': 'ping', 'n': [1, 2]}", expect = "pong", missed = 1, close = 4999 }
on_unknown_message = { close = 4002 }
[consumer.on_message.say]
reply = "{'said': message.text}"

[[consumer]]
name = "raw"
path = "/ws/raw/"
heartbeat = { every = "3s", send_text = "ping", expect_text = "pong" }
on_bad_json = { close = 4003 }

[[consumer]]
name = "unanswered"
path = "/ws/unanswered/"
heartbeat = { every = "1s", send_text = "tick" }

[[consumer]]
name = "none"
path = "/ws/none/"
[consumer.on_message.pong]
reply = "'a message like any other'"
"""
PING = {"type": "ping", "n": [1, 2]}


@pytest.fixture(scope="module")
def node(module_system):
    return module_system.start_node(config=CONFIG)


class Answering(Client):
    """Answers each ping at once."""

    ping, pong = json.dumps(PING, separators=(",", ":")), '{"type":"pong"}'

    async def _read(self) -> None:
        answerer = asyncio.create_task(self._answer())
        try:
            await super()._read()
        finally:
            answerer.cancel()

    async def _answer(self) -> None:
        for number in range(1, 1000):
            await self.wait(lambda one, number=number: one.frames.count(self.ping) >= number, "a ping")
            await self.send(self.pong)


class Raw(Answering):
    ping, pong = "ping", "pong"


async def test_who_answers_stays_and_who_does_not_is_closed_with_the_code(module_system, node):
    closed = module_system.metric(node, "channelgate_closes_total", reason="heartbeat_timeout")
    good = await Answering.open(node.port, "/ws/json/")
    plain = await Raw.open(node.port, "/ws/raw/")
    mute = await Client.open(node.port, "/ws/json/")
    silent = await Client.open(node.port, "/ws/raw/")
    assert await mute.gone() == (4999, "no answer to the heartbeat")
    assert mute.json() == [PING]
    assert await silent.gone() == (4408, "no answer to the heartbeat")
    assert silent.frames == ["ping", "ping"], "two may be missed"
    # Beyond the time after which they would have been closed.
    await good.wait(lambda one: one.frames.count(one.ping) >= 4, "the fourth ping")
    await plain.wait(lambda one: one.frames.count("ping") >= 4, "the fourth ping")
    assert good.closed is None and plain.closed is None
    # An answer is neither an unknown message nor bad JSON, which would have closed them; others still are.
    await good.send({"type": "say", "text": "hi"})
    await good.wait(lambda one: '{"said":"hi"}' in one.frames, "the reply")
    await good.send({"type": "pong", "extra": 1})
    await good.send({"type": "unknown"})
    await good.gone()
    await plain.send("pong?")
    await plain.gone()
    assert module_system.metric(node, "channelgate_closes_total", reason="heartbeat_timeout") == closed + 2


async def test_a_message_without_an_expected_answer_closes_nobody(node):
    client, other = await Client.open(node.port, "/ws/unanswered/"), await Client.open(node.port, "/ws/none/")
    await other.send({"type": "pong"})
    # One that misses two is closed at the third, where an answer is expected.
    await client.count_of(4)
    assert set(client.frames) == {"tick"} and client.closed is None
    assert other.json() == ["a message like any other"], "a consumer without a heartbeat sends none"
    await client.close()
    await other.close()


async def test_answers_count_against_the_limit_of_messages(module_system, node):
    """A client that sends only answers is read no faster than any other."""
    held = module_system.metric(node, "channelgate_holds_total", reason="rate")
    client = await Client.open(node.port, "/ws/raw/")
    for _ in range(2000):
        await client.send("pong")
    await until(
        lambda: module_system.metric(node, "channelgate_holds_total", reason="rate") > held,
        "reading to be paused",
    )
    # A Close would wait for its turn behind the others.
    client.connection.transport.abort()
    await client.reader


async def test_a_node_that_stood_still_blames_nobody(module_system):
    """A process that was suspended, or a worker that was busy, has not read the answers of that time."""
    node = module_system.start_node(config=CONFIG)
    closed = module_system.metric(node, "channelgate_closes_total", reason="heartbeat_timeout")
    clients = [await Answering.open(node.port, "/ws/json/"), await Raw.open(node.port, "/ws/raw/")]
    for client in clients:
        await client.wait(lambda one: one.frames.count(one.ping) >= 1, "the first ping")
    node.signal(signal.SIGSTOP)
    try:
        # Four intervals, of which two may be missed: the length of the stall is what is tested.
        await asyncio.sleep(12.6)
    finally:
        node.signal(signal.SIGCONT)
    seen = [client.frames.count(client.ping) for client in clients]
    for client, before in zip(clients, seen, strict=True):
        await client.wait(lambda one, before=before: one.frames.count(one.ping) >= before + 3, "pings afterwards")
        assert client.closed is None
    assert module_system.metric(node, "channelgate_closes_total", reason="heartbeat_timeout") == closed
    # Who does not answer is closed as before.
    mute = await Client.open(node.port, "/ws/json/")
    assert (await mute.gone())[0] == 4999
    for client in clients:
        await client.close()


@pytest.mark.alone("measures when messages are sent")
async def test_heartbeats_of_many_connections_are_spread(module_system):
    """Of an interval of several seconds each has its share."""
    config = CONFIG.replace('every = "1s", send_text = "tick"', 'every = "12s", send_text = "tick"')
    node = module_system.start_node(config=config, CHANNELGATE__SERVER__WORKERS="1")
    clients = [await Client.open(node.port, "/ws/unanswered/") for _ in range(40)]
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def first(client: Client) -> None:
        await client.count_of(1)
        times.append(loop.time())

    await asyncio.gather(*(first(client) for client in clients))
    gaps = sorted(times)
    near = [sum(1 for time in gaps if abs(time - other) < 1.6) for other in gaps]
    assert max(near) <= 20, near
    await asyncio.gather(*(client.close() for client in clients))


@pytest.mark.parametrize(
    ("heartbeat", "key", "advice"),
    [
        ('{ every = "1s" }', "", 'write "send" or "send_text"'),
        ('{ every = "500ms", send_text = "ping" }', ".every", "whole seconds"),
        ('{ send_text = "ping", send = "1" }', ".send_text", 'there is "send" already'),
        ("{ send_text = \"'ping'\" }", ".send_text", 'write "ping"'),
        ("{ send = \"{'at': now()}\" }", ".send", "encoded once"),
        ("{ send = \"{'id': user.id}\" }", ".send", "encoded once"),
        ('{ send_text = "ping", missed = 3 }', ".missed", "no effect"),
        ('{ send_text = "ping", expect = "a", expect_text = "b" }', ".expect_text", 'there is "expect" already'),
        ('{ send_text = "ping", expect = "say" }', ".expect", "on_message"),
        ("{ send_text = \"{'type': 'ping'}\" }", ".send_text", "not an expression"),
        ('{ send_text = "{{ now() }}" }', ".send_text", "not an expression or a template"),
        ('{ send_text = "ping", expect = "\'pong\'" }', ".expect", 'write "pong"'),
        ("{ send_text = \"ping\", expect = \"{'type': 'pong'}\" }", ".expect", "not an expression"),
        ("{ send_text = 'ping', expect = '{\"type\": \"pong\"}' }", ".expect", 'the value of "type" in the answer'),
        ('{ send_text = "ping", expect = "" }', ".expect", "not be empty"),
        ('{ send_text = "ping", expect = "a", missed = 0 }', ".missed", "at least 1"),
        ('{ send_text = "ping", expect = "a", close = 1005 }', ".close", "4000 to 4999"),
        (
            '{ send_text = "ping", expect = "a", close = { code = 4000, reason = "{{ user.id }}" } }',
            ".close.reason",
            "same",
        ),
    ],
)
def test_a_heartbeat_that_cannot_work_is_refused(tmp_path, heartbeat, key, advice):
    text = f'[[consumer]]\npath = "/ws/"\nheartbeat = {heartbeat}\n[consumer.on_message.say]\nreply = "1"\n'
    assert advice in refused(tmp_path, text, f"consumer[0].heartbeat{key}", line=3)


def test_protocols_with_a_heartbeat_of_their_own_have_no_other(tmp_path):
    for protocol in ("socket.io", "engine.io"):
        text = f'[[consumer]]\npath = "/s/"\nprotocol = "{protocol}"\nauth = ["anonymous"]\n'
        text += 'heartbeat = { send_text = "x" }\n'
        assert "have their own" in refused(tmp_path, text, "consumer[0].heartbeat", line=5)
    assert run(tmp_path, '[[consumer]]\npath = "/ws/"\nheartbeat = { send_text = "x" }\n').code == 0


def test_the_key_of_the_answer_may_be_another_one(tmp_path):
    text = '[[consumer]]\npath = "/ws/"\nmessage_key = "action"\nheartbeat = { send_text = "x"%s }\n'
    assert run(tmp_path, text % ', expect = "pong"').code == 0
    assert "finds handlers" in refused(tmp_path, text % "", "consumer[0].message_key", line=3)
