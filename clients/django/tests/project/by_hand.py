"""Consumers without the generic classes, with a `dispatch` or `__call__` of their own, or made without `as_asgi()`."""

import json

from channels.consumer import AsyncConsumer, SyncConsumer
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer


class Raw(AsyncConsumer):
    """Without the generic classes."""

    async def websocket_connect(self, event):
        await self.send({"type": "websocket.accept"})

    async def websocket_receive(self, event):
        await self.send({"type": "websocket.send", "text": f"{sorted(event)} {event.get('text')}"})
        await self.send({"type": "something.else"})

    async def websocket_disconnect(self, event):
        await self.channel_layer.group_send("raw", {"type": "gone", "code": event["code"]})
        raise StopConsumer()


class RawSync(SyncConsumer):
    def websocket_connect(self, event):
        self.send({"type": "websocket.accept"})

    def websocket_receive(self, event):
        if event["text"] == "stop":
            raise StopConsumer()
        self.send({"type": "websocket.send", "text": event["text"]})

    def websocket_disconnect(self, event):
        """Does not stop: Channels waits on, and the server ends it."""


class Dispatcher(AsyncWebsocketConsumer):
    """Overrides `dispatch` and `__call__`, as mixins do."""

    async def __call__(self, scope, receive, send):
        self.before = ["call"]
        await super().__call__(scope, receive, send)

    async def dispatch(self, message):
        self.before.append(message["type"])
        await super().dispatch(message)

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=json.dumps(self.before))


class WrapsInCall(AsyncWebsocketConsumer):
    """Wraps `send` in a `__call__` of its own."""

    async def __call__(self, scope, receive, send):
        async def loud(message):
            if message["type"] == "websocket.send":
                message["text"] += "!"
            await send(message)

        self.called = True
        await super().__call__(scope, receive, loud)

    async def receive(self, text_data=None, bytes_data=None):
        self.count = getattr(self, "count", 0) + 1
        await self.send(text_data=f"{text_data} {self.count} {self.called}")


class Made(AsyncWebsocketConsumer):
    """Made by hand, without `as_asgi()`."""

    def __init__(self, greeting):
        super().__init__()
        self.greeting = greeting
        self.count = 0

    async def receive(self, text_data=None, bytes_data=None):
        self.count += 1
        await self.send(text_data=f"{self.greeting} {text_data} {self.count}")


async def made(scope, receive, send):
    consumer = Made("hello")
    await consumer(scope, receive, send)


def factory(greeting):
    async def lazily(scope, receive, send):
        return await Made.as_asgi(greeting=greeting)(scope, receive, send)

    return lazily
