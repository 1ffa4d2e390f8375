"""Outside of a call everything of Channels behaves as before: layers, consumers, HTTP consumers, workers."""

import asyncio

import pytest
from asgiref.sync import async_to_sync
from channels.consumer import AsyncConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer
from channels.routing import URLRouter
from channels.testing import HttpCommunicator, WebsocketCommunicator
from django.urls import path
from harness import node, truth
from project import broken
from project.asgi import application

from channelgate.bridge.hooks import install


async def test_the_layer_is_the_projects_own_object(layer):
    assert get_channel_layer() is layer and type(layer).__name__ == "RecordingLayer"
    assert type(get_channel_layer("second")) is InMemoryChannelLayer
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    await layer.group_send("g", {"type": "x"})
    await layer.send(channel, {"type": "y"})
    assert [await layer.receive(channel), await layer.receive(channel)] == [{"type": "x"}, {"type": "y"}]
    await layer.group_discard("g", channel)
    assert layer.groups == {"g": {}}


def test_publishing_from_sync_code_reaches_the_layer(layer):
    async_to_sync(get_channel_layer().group_send)("g", {"type": "x"})
    assert layer.trace == [("group_send", "g", {"type": "x"})]


async def test_a_consumer_runs_for_its_whole_connection(layer):
    channel_layers.set("default", InMemoryChannelLayer())
    side = WebsocketCommunicator(application.application, "/demultiplexer/", headers=[(b"origin", b"http://x")])
    connected, _ = await side.connect()
    assert connected, "a consumer that runs others is refused in a call only"
    await side.disconnect()
    side = WebsocketCommunicator(broken.Loop.as_asgi(), "/")
    assert (await side.connect())[0]
    assert [await side.receive_from() for _ in range(3)] == ["tick"] * 3
    await side.disconnect()


class Page(AsyncHttpConsumer):
    async def handle(self, body):
        layer = self.channel_layer
        await layer.group_send("pages", {"type": "x"})
        await self.send_response(200, body[::-1])


async def test_http_consumers_work(layer):
    app = URLRouter([path("page/", Page.as_asgi())])
    response = await HttpCommunicator(app, "POST", "/page/", body=b"abc").get_response()
    assert response["body"] == b"cba"
    assert layer.trace == [("group_send", "pages", {"type": "x"})]


class Worker(AsyncConsumer):
    async def job_run(self, message):
        await self.channel_layer.send(message["reply"], {"type": "done", "n": message["n"] + 1})


async def test_workers_work(layer):
    events = asyncio.Queue()
    events.put_nowait({"type": "job.run", "n": 1, "reply": "r"})
    task = asyncio.ensure_future(Worker.as_asgi()({"type": "channel", "channel": "w"}, events.get, None))
    assert await layer.receive("r") == {"type": "done", "n": 2}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_installing_again_changes_nothing():
    before = AsyncConsumer.__call__
    install()
    assert AsyncConsumer.__call__ is before


async def test_a_call_beside_an_ordinary_connection_of_the_same_process(layer, anna):
    """Both at once, as in a project that moves path by path."""
    described = node.handshake_of("/sync/a/", cookie=anna[1])
    ordinary = truth.Truth(application, node.scope_of(described), layer)
    await ordinary.step({"type": "websocket.connect"})
    trace = list(layer.trace)
    bridged = node.Node(node.wrapper(application), described, layer, connection="other")
    await bridged.step({"type": "websocket.connect"})
    assert layer.trace == [], "a command of the call went to the layer"
    got = await ordinary.step({"type": "websocket.receive", "text": "x"})
    assert ("do", {"do": "send", "text": f"1 1 {anna[0].first_name}"}) in got and trace
    await ordinary.close()


@pytest.mark.parametrize("kind", ["http.request", "channel"])
async def test_other_scopes_pass_the_hook(kind, layer):
    ran = []

    class Any(AsyncConsumer):
        async def dispatch(self, message):
            ran.append(message["type"])

    events = asyncio.Queue()
    events.put_nowait({"type": "x"})
    task = asyncio.ensure_future(Any.as_asgi()({"type": kind}, events.get, None))
    while not ran:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
