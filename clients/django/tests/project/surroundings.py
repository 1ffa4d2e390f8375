"""Consumers and what is around their handlers: context variables, tasks, registries that outlive a handler."""

import asyncio
import contextvars
import functools
import json
import queue

from asgiref.local import Local
from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from django.db.models.signals import post_save
from django.utils import timezone, translation

from project.models import Message

TRACE: contextvars.ContextVar = contextvars.ContextVar("TRACE", default=None)
SAID: contextvars.ContextVar = contextvars.ContextVar("SAID", default=())
TENANT = Local()


class Surrounded(AsyncWebsocketConsumer):
    """Works with the language, the time zone and the variables that middleware and its handlers have set."""

    async def connect(self):
        translation.activate("de")
        timezone.activate("Asia/Tokyo")
        TENANT.name = {"who": "acme"}
        self.trace = TRACE.get()
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        SAID.set((*SAID.get(), text_data))
        if text_data == "off":
            translation.deactivate_all()
        elif len(text_data) == 2:
            translation.activate(text_data)
        zone, name = timezone.get_current_timezone(), getattr(TENANT, "name", None)
        found = [translation.get_language(), translation.gettext("Yes"), str(zone), name, SAID.get(), TRACE.get()]
        await self.send(text_data=json.dumps([*found, TRACE.get() is self.trace]))


class SyncSurrounded(WebsocketConsumer):
    def connect(self):
        translation.activate("de")
        SAID.set(("hi",))
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        SAID.set((*SAID.get(), text_data))
        self.send(json.dumps([translation.get_language(), SAID.get(), TRACE.get()]))


class Short(AsyncWebsocketConsumer):
    """A task that ends soon after the handler is waited for."""

    async def connect(self):
        await self.accept()
        self.t = asyncio.create_task(self.later())

    async def later(self):
        await asyncio.sleep(0.02)
        await self.send(text_data="later")

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=str(self.t.done()))


class Gathers(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await asyncio.gather(*(self.one(index) for index in range(3)))
        await asyncio.create_task(self.one(3))
        await asyncio.to_thread(async_to_sync(self.one), 4)

    async def one(self, index):
        await self.send(text_data=str(index))


class Streams(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        async for word in self.words(text_data):
            await self.send(text_data=word)

    async def words(self, text):
        for word in text.split():
            await asyncio.sleep(0.01)
            yield word


class Offline(AsyncWebsocketConsumer):
    """Says a moment later that it is offline, from a task that outlives it."""

    async def disconnect(self, code):
        self.task = asyncio.create_task(self.say())

    async def say(self):
        await asyncio.sleep(0.05)
        await self.channel_layer.group_send("presence", {"type": "offline"})


WORKING: dict = {}


class ComesAndGoes(AsyncWebsocketConsumer):
    """Is in a registry and at a signal while its handlers run, and in its own attributes afterwards."""

    async def connect(self):
        await self.accept()
        self.handlers = {"said": self.said, "all": [self.said]}
        self.me = self
        self.size = self.length("four")

    @functools.lru_cache  # noqa: B019  projects do
    def length(self, text):
        return len(text)

    async def receive(self, text_data=None, bytes_data=None):
        WORKING[text_data] = self
        post_save.connect(self.said, sender=Message)
        try:
            await Message.objects.acreate(room="a", author="b", text=text_data)
            await WORKING[text_data].handlers["all"][0](text=text_data)
        finally:
            post_save.disconnect(self.said, sender=Message)
            del WORKING[text_data]

    async def said(self, text=None, instance=None, **options):
        await self.me.send(text_data=f"said {text or instance.text}")


#: What a consumer left behind for others to call.
KEPT: queue.SimpleQueue = queue.SimpleQueue()


class Leaves(AsyncWebsocketConsumer):
    """Leaves its `send` where somebody else calls it later."""

    async def connect(self):
        await self.accept()
        KEPT.put(self.send)
