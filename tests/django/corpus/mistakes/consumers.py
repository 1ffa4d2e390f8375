import json

from channels.exceptions import AcceptConnection, DenyConnection, StopConsumer
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)

from .models import Trace


class RaisesConsumer(AsyncWebsocketConsumer):
    """Fails where the path says; each step leaves a row."""

    async def connect(self):
        self.where = self.scope["url_route"]["kwargs"]["where"]
        self.group = f"raises_{self.where}"
        await self.note("connect")
        if self.where == "before":
            raise RuntimeError("before accept")
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self.send(text_data="accepted")
        if self.where == "after":
            raise RuntimeError("after accept")

    async def note(self, text):
        await Trace.objects.acreate(name=f"raises {self.where}", note=text)

    async def receive(self, text_data=None, bytes_data=None):
        await self.note(f"receive {text_data}")
        await self.send(text_data="before the failure")
        if self.where == "receive":
            raise KeyError(text_data)

    async def group_event(self, event):
        await self.note("event")
        await self.send(text_data=event["text"])
        if self.where == "event":
            raise ValueError("in the handler")

    async def disconnect(self, code):
        await self.note(f"disconnect {code}")
        if self.where == "disconnect":
            raise RuntimeError("in disconnect")


class SyncRaisesConsumer(WebsocketConsumer):
    """The same, synchronous."""

    def connect(self):
        self.where = self.scope["url_route"]["kwargs"]["where"]
        Trace.objects.create(name=f"sync {self.where}", note="connect")
        if self.where == "before":
            raise RuntimeError("before accept")
        self.accept()
        if self.where == "after":
            self.send(text_data="accepted")
            Trace.objects.get(pk=-1)

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data="got " + text_data)
        assert text_data != "fail"

    def disconnect(self, code):
        Trace.objects.create(name=f"sync {self.where}", note=f"disconnect {code}")
        if self.where == "disconnect":
            raise RuntimeError("in disconnect")


class ExceptionsConsumer(AsyncWebsocketConsumer):
    """Channels' own exceptions, raised where the path says."""

    async def connect(self):
        self.what = self.scope["url_route"]["kwargs"]["what"]
        await Trace.objects.acreate(name=f"exceptions {self.what}", note="connect")
        if self.what == "deny":
            raise DenyConnection()
        if self.what == "accept":
            raise AcceptConnection()
        if self.what == "stop":
            raise StopConsumer()
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=f"got {text_data}")
        if text_data == "stop":
            raise StopConsumer()

    async def disconnect(self, code):
        await Trace.objects.acreate(name=f"exceptions {self.what}", note=f"disconnect {code}")


class NeverAnswersConsumer(WebsocketConsumer):
    """Neither accepts nor closes."""

    def connect(self):
        Trace.objects.create(name="never", note="connect")

    def disconnect(self, code):
        Trace.objects.create(name="never", note=f"disconnect {code}")


class CloserConsumer(AsyncWebsocketConsumer):
    """Closes in every way there is; what it does afterwards reaches nobody."""

    async def connect(self):
        self.name = self.scope["url_route"]["kwargs"]["how"]
        if self.name == "early":
            await self.close(code=4005)
            return
        await self.channel_layer.group_add("closers_" + self.name, self.channel_name)
        await self.accept()
        if self.name == "at-once":
            await self.send(text_data="no")
            await self.close(code=4000)

    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "plain":
            await self.close()
        elif text_data == "reason":
            await self.close(code=4010, reason="time is up")
        elif text_data == "send":
            await self.send(text_data="last words", close=4011)
        elif text_data == "true":
            await self.send(text_data="last", close=True)
        elif text_data == "and on":
            await self.close(code=4012)
            await self.channel_layer.group_send("closers_heard", {"type": "heard", "text": "after close"})

        elif text_data == "send after":
            await self.close(code=4013)
            await self.send(text_data="never seen")

    async def heard(self, event):
        await self.send(text_data=event["text"])

    async def closing_event(self, event):
        await self.close(code=event["code"])

    async def disconnect(self, code):
        await Trace.objects.acreate(name=f"closer {self.name}", note=f"disconnect {code}")


class BadMessagesConsumer(JsonWebsocketConsumer):
    """What cannot be sent or joined, one kind for a message."""

    def connect(self):
        self.accept()

    def receive_json(self, content):
        kind = content["kind"]
        self.send_json({"kind": kind})
        if kind == "unserialisable":
            self.send_json({"bad": object()})
        elif kind == "nothing":
            self.send()
        elif kind == "group":
            from asgiref.sync import async_to_sync

            async_to_sync(self.channel_layer.group_add)("has spaces: and more", self.channel_name)
        elif kind == "long group":
            from asgiref.sync import async_to_sync

            async_to_sync(self.channel_layer.group_send)("g" * 100, {"type": "x"})
        elif kind == "message":
            from asgiref.sync import async_to_sync

            async_to_sync(self.channel_layer.group_send)("bad_messages", {"type": "x", "value": object()})
        elif kind == "accept again":
            self.accept()
        elif kind == "caught":
            try:
                self.send_json({"bad": {1, 2}})
            except TypeError as e:
                self.send_json({"caught": str(e)})


class UnknownEventConsumer(AsyncJsonWebsocketConsumer):
    """Gets events that it has no method for, and some with a private or a malformed type."""

    async def connect(self):
        await self.channel_layer.group_add("unknown_events", self.channel_name)
        await self.accept()

    async def known_event(self, event):
        await self.send_json({"known": event["n"]})

    async def _private(self, event):
        await self.send_json({"private": True})

    async def receive_json(self, content):
        await self.send_json({"echo": content})


class SendsFirstConsumer(AsyncWebsocketConsumer):
    """Sends before it accepts."""

    async def connect(self):
        await self.send(text_data="too early")
        await self.accept()


class NarrowReceiveConsumer(AsyncWebsocketConsumer):
    """Takes text only, by its signature, and parses without a care."""

    async def connect(self):
        await self.accept()

    async def receive(self, text_data):
        data = json.loads(text_data)
        await self.send(text_data=json.dumps({"n": data["n"] + 1}))


class DefaultConsumer(AsyncWebsocketConsumer):
    """Everything as Channels does it."""


class DefaultJsonConsumer(JsonWebsocketConsumer):
    """The same; JSON comes in, and nobody does anything."""
