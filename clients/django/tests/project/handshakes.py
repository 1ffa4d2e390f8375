"""Consumers that accept, refuse, close or fail, each in a way of its own."""

import json

from channels.exceptions import AcceptConnection, DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer


class Refuses(AsyncWebsocketConsumer):
    async def connect(self):
        await self.close(code=4403)


class RefusesLoudly(AsyncWebsocketConsumer):
    async def connect(self):
        await self.close(code=4403)

    async def disconnect(self, code):
        await self.channel_layer.group_send("audit", {"type": "x", "code": code})


class Denies(WebsocketConsumer):
    def connect(self):
        raise DenyConnection()


class Denier(AsyncWebsocketConsumer):
    """Answers a handshake with a response of its own."""

    async def connect(self):
        if "websocket.http.response" not in self.scope.get("extensions", {}):
            await self.close()
            return
        await self.base_send(
            {"type": "websocket.http.response.start", "status": 429, "headers": [(b"retry-after", b"7")]}
        )
        await self.base_send({"type": "websocket.http.response.body", "body": b"slow ", "more_body": True})
        await self.base_send({"type": "websocket.http.response.body", "body": b"down"})


class Accepts(AsyncWebsocketConsumer):
    async def connect(self):
        raise AcceptConnection()

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data.upper())


class NotHandled(AsyncWebsocketConsumer):
    """Neither accepts nor closes; a group's message opens it later."""

    async def connect(self):
        await self.channel_layer.group_add("later", self.channel_name)
        await self.channel_layer.group_send("later", {"type": "open.up"})

    async def open_up(self, event):
        await self.accept()
        await self.send(text_data="late")


class AcceptsAndCloses(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.send(text_data="no")
        await self.close(code=4000, reason="not today")
        await self.close(code=4001)

    async def disconnect(self, code):
        await self.send(text_data="dropped, too")


class AcceptsTwice(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.accept()


class SendsTooEarly(AsyncWebsocketConsumer):
    async def connect(self):
        await self.send(text_data="early")
        await self.accept()


class Closes(AsyncWebsocketConsumer):
    """Closes with what the client asks for."""

    async def receive(self, text_data=None, bytes_data=None):
        await self.close(code=json.loads(text_data))


class FailsAtOnce(AsyncWebsocketConsumer):
    async def connect(self):
        raise RuntimeError("before accept")


class FailsAccepted(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        raise ZeroDivisionError


class FailsToLeave(WebsocketConsumer):
    def disconnect(self, code):
        raise RuntimeError("in disconnect")
