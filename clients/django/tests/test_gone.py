"""A node that goes in the middle of a call: what it was to publish is published, and the consumer hears of it."""

import asyncio
import json
import time

import django
import pytest
from harness import node
from harness.signed import Exchange, post, signature
from harness.truth import CHANNEL
from project.asgi import application
from project.consumers import Flood, Slow

from channelgate.bridge import serve

#: Django's own handler tells a view that its client has gone from 5.0 on.
TOLD = pytest.param(
    "/gate/channels", marks=pytest.mark.skipif(django.VERSION < (5, 0), reason="Django tells since 5.0")
)
DOORS = ["/channelgate/channels", "/gate/channels"]
DOORS_TOLD = [DOORS[0], TOLD]


async def begun(door, name, path="/slow-message/", text="1", lines=1):
    """A message whose handler has begun and waits."""
    Slow.GO.clear()
    call = {"v": 1, "connection": name, "seq": 0, "channel_name": CHANNEL, "consumer": "c", "state": None}
    handshake = node.handshake_of(path + f"{name}/" if path == "/slow-message/" else path)
    opened = await post(application, door, {**call, "scope": handshake, "event": {"type": "websocket.connect"}})
    call |= {"seq": 1, "state": opened.lines[-1]["state"], "event": {"type": "websocket.receive", "text": text}}
    body = json.dumps(call).encode()
    exchange = Exchange(application, door, body, signature(body))
    await exchange.response.until(lines)
    return exchange


async def until(condition):
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < 30
        await asyncio.sleep(0.01)


def published(layer, name):
    return [entry[2]["what"] for entry in layer.trace if entry[:2] == ("group_send", name)]


async def leave(exchange, door):
    """The request is closed, once the package listens for it."""
    if door == DOORS[0]:
        await asyncio.sleep(3 * serve.WATCH_AFTER)
    exchange.leave()


@pytest.mark.parametrize("door", DOORS_TOLD)
async def test_what_it_was_to_publish_goes_to_the_layer_and_disconnect_is_called(door, layer):
    exchange = await begun(door, "gone")
    layer.trace.clear()
    await leave(exchange, door)
    await asyncio.sleep(0.05)
    Slow.GO["gone"].set()
    await until(lambda: len(published(layer, "gone")) == 2)
    assert published(layer, "gone") == ["published", "disconnect 1006"]
    assert b"ended" not in exchange.response.body


async def test_what_it_publishes_right_after_the_node_has_gone_goes_to_the_layer(layer, monkeypatch):
    """The server takes what is sent to a node that has gone: nothing of it may rest on a watch that begins later."""
    monkeypatch.setattr(serve, "WATCH_AFTER", 60)
    exchange = await begun(DOORS[0], "quick")
    layer.trace.clear()
    await asyncio.sleep(2 * serve.LOOK_AFTER)
    exchange.leave()
    Slow.GO["quick"].set()
    await until(lambda: len(published(layer, "quick")) == 2)
    assert published(layer, "quick") == ["published", "disconnect 1006"]


@pytest.mark.parametrize("door", DOORS_TOLD)
async def test_a_handler_that_goes_on_is_cancelled_and_disconnect_is_called(door, layer, monkeypatch, caplog):
    monkeypatch.setattr(serve, "GRACE", 0.2)
    exchange = await begun(door, "stuck")
    layer.trace.clear()
    await leave(exchange, door)
    await until(lambda: len(published(layer, "stuck")) == 2)
    assert published(layer, "stuck") == ["cancelled", "disconnect 1006"]
    await until(lambda: "project.consumers.Slow.receive() did not finish within" in caplog.text)


async def test_a_call_whose_node_stays_is_not_cancelled(layer, monkeypatch):
    monkeypatch.setattr(serve, "GRACE", 0.05)
    exchange = await begun(DOORS[0], "stays")
    await asyncio.sleep(0.3)
    Slow.GO["stays"].set()
    assert (await exchange.finish()).lines[-1]["end"] == "open"


async def test_a_consumer_that_floods_waits_for_the_node_to_read(layer):
    read = asyncio.Event()
    Flood.sent = 0

    async def reluctant(scope, receive, send):
        async def slow(message):
            if message["type"] == "http.response.body" and message.get("body"):
                await read.wait()
            await send(message)

        await application(scope, receive, slow)

    opened = await post(
        application,
        DOORS[0],
        {
            "v": 1,
            "connection": "flood",
            "seq": 0,
            "channel_name": CHANNEL,
            "consumer": "c",
            "state": None,
            "scope": node.handshake_of("/flood/"),
            "event": {"type": "websocket.connect"},
        },
    )
    call = {"v": 1, "connection": "flood", "seq": 1, "channel_name": CHANNEL, "state": opened.lines[-1]["state"]}
    body = json.dumps({**call, "event": {"type": "websocket.receive", "text": "1000"}}).encode()
    exchange = Exchange(reluctant, DOORS[0], body, signature(body))
    await until(lambda: Flood.sent > 100)
    before = 0
    while before != Flood.sent:
        before = Flood.sent
        await asyncio.sleep(0.05)
    assert before < 400, "the whole flood is in memory"
    read.set()
    assert len((await exchange.finish()).lines) == 1001


async def test_what_waits_for_a_node_that_goes_is_published_in_order_and_frames_are_dropped():
    from channelgate.bridge.reply import Lines

    read, pieces, sent = asyncio.Event(), [], []

    async def stuck(piece):
        pieces.append(piece)
        await read.wait()

    def publish(name):
        async def fallback():
            await asyncio.sleep(0)
            if name == 3:
                raise RuntimeError("Redis is away")
            sent.append(name)

        return fallback

    lines = Lines(stuck)
    lines.write({"do": "group_send", "n": 0}, publish(0))
    await asyncio.sleep(0.01)
    for number in (1, 2, 3, 4):
        lines.write({"do": "send", "text": "x"})
        lines.write({"do": "group_send", "n": number}, publish(number))
    await asyncio.gather(lines.depart(), lines.instead(publish(5)))
    assert sorted(sent) == [1, 2, 4, 5] and [name for name in sent if name < 5] == [1, 2, 4]
    assert len(pieces) == 1, "the first line was on its way"
    lines.write({"do": "group_send"}, publish(6))
    assert lines.take() == b""
    read.set()
    await lines.settle()
