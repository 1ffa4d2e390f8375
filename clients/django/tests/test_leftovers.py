"""What outlives a handler without being refused: after `disconnect`, and where nobody can see it."""

import asyncio
import time

import pytest
from channels.routing import URLRouter
from django.urls import path
from harness import node
from project import consumers, surroundings
from project.asgi import application
from project.middleware import Gate, Shout

from channelgate import bridge
from channelgate.bridge import late

CONNECT = {"type": "websocket.connect"}
LEAVE = {"type": "websocket.disconnect", "code": 1001}


@pytest.mark.parametrize("door", ["wrapper", "urls", "wsgi"])
async def test_a_task_of_disconnect_publishes_later(door, layer, anna):
    ask = {"wrapper": node.wrapper, "urls": node.urls_asgi, "wsgi": lambda _: node.urls_wsgi()}[door](application)
    side = node.Node(ask, node.handshake_of("/offline/", cookie=anna[1]), layer)
    await side.step(dict(CONNECT))
    await side.step(dict(LEAVE))
    began = time.monotonic()
    while not layer.trace:
        assert time.monotonic() - began < 30
        await asyncio.sleep(0.01)
    assert layer.trace == [("group_send", "presence", {"type": "offline"})]


async def test_a_frame_after_the_call_is_lost_and_the_log_says_so(layer, caplog):
    while not surroundings.KEPT.empty():
        surroundings.KEPT.get()
    late._last.clear()
    side = node.Node(node.wrapper(application), node.handshake_of("/leaves/"), layer)
    await side.step(dict(CONNECT))
    send = surroundings.KEPT.get_nowait()
    for _ in range(3):
        await send(text_data="late")
    (record,) = [record for record in caplog.records if "had ended" in record.message]
    assert record.message.startswith("project.surroundings.Leaves did 'send' after connect() had ended, and it is lost")


class Closing:
    """Lets a connection in once, and no more."""

    open = True

    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        if not type(self).open:
            await send({"type": "websocket.close", "code": 4401})
            return None
        return await self.inner(scope, receive, send)


@pytest.mark.parametrize("wrap", [False, True])
async def test_middleware_that_refuses_by_now_ends_the_connection_and_disconnect_still_runs(wrap, layer, settings):
    settings.CHANNELGATE = {"SECRET": settings.SECRET, "BRIDGE": {"MIDDLEWARE": "every"}}
    inner = Loud.as_asgi()
    app = bridge(URLRouter([path("x/", Closing(Shout(inner) if wrap else inner))]))
    Closing.open = True
    side = node.Node(node.wrapper(app), node.handshake_of("/x/"), layer)
    await side.step(dict(CONNECT))
    Closing.open = False
    closing = await side.step({"type": "websocket.receive", "text": "x"})
    assert closing == [("do", {"do": "close", "code": 4401})] and not side.over
    assert ("group_send", "audit", {"type": "left"}) in await side.step(dict(LEAVE))


class Loud(consumers.AsyncWebsocketConsumer):
    async def disconnect(self, code):
        await self.channel_layer.group_send("audit", {"type": "left"})


async def test_a_route_that_is_gone_restarts_the_connection(layer):
    """After a deployment: the client connects again, and meets the new code."""
    before = bridge(URLRouter([path("x/", consumers.Query.as_asgi()), path("y/", Shout(consumers.Query.as_asgi()))]))
    after = bridge(URLRouter([path("z/", Gate(consumers.JsonEcho.as_asgi())), path("<path:rest>", nobody)]))
    for where in ("/x/", "/y/"):
        side = node.Node(node.wrapper(before), node.handshake_of(where), layer)
        await side.step(dict(CONNECT))
        side.door = node.wrapper(after)
        trace = await side.step({"type": "websocket.receive", "text": "x"})
        assert trace[-1][:2] == ("end", "restart"), trace


async def nobody(scope, receive, send):
    """A route that leads to no consumer."""
