"""In a call of the bridge, what a consumer publishes is a command, in its place among what the handler sends."""

import asyncio

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import channel_layers
from channels.routing import ProtocolTypeRouter, URLRouter
from django.db import transaction
from django.urls import path
from harness import node, truth
from harness.layer import RecordingLayer
from project.settings import SECRET

from channelgate import apublish, apublish_many, ato_user, bridge, publish, publish_many, to_user

from .conftest import CORE


def note(name):
    return {"type": "note", "name": name}


class Async(AsyncWebsocketConsumer):
    async def receive(self, text_data):
        await self.send("before")
        await apublish("g", note("one"))
        await self.send("between")
        await apublish_many([("g", note("two")), ("h", note("three"))])
        await asyncio.to_thread(publish, "h", note("four"))
        await ato_user(7, note("five"))
        await self.send("after")


class Sync(WebsocketConsumer):
    def receive(self, text_data):
        self.send("before")
        publish("g", note("one"))
        self.send("between")
        with transaction.atomic():
            publish_many([("g", note("two")), ("h", note("three"))])
            publish("h", note("four"))
            to_user(7, note("five"))
        self.send("after")


routes = URLRouter([path("async/", Async.as_asgi()), path("sync/", Sync.as_asgi())])
application = bridge(ProtocolTypeRouter({"websocket": routes}))


@pytest.fixture(params=["in memory", "redis"])
def recording(request, use):
    """A layer that writes down what it is asked; the settings may say that it is one in Redis."""
    use({"BACKEND": CORE if request.param == "redis" else "harness.layer.RecordingLayer"}, SECRET=SECRET)
    channel_layers.set("default", RecordingLayer())
    return channel_layers["default"]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_a_handler_publishes_has_its_place(kind, recording):
    layer = recording
    described = node.handshake_of(f"/{kind}/")
    traces = []
    for side in (
        truth.Truth(application, node.scope_of(described), layer),
        node.Node(node.wrapper(application), described, layer),
    ):
        await side.step({"type": "websocket.connect"})
        traces.append(await side.step({"type": "websocket.receive", "text": "x"}))
        await side.close()
    assert traces[0] == traces[1]
    assert [one[1:] if one[0] == "group_send" else one[1]["text"] for one in traces[1]] == [
        "before",
        ("g", note("one")),
        "between",
        ("g", note("two")),
        ("h", note("three")),
        ("h", note("four")),
        ("user_7", note("five")),
        "after",
    ]
