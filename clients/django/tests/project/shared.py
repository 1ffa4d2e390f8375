"""A consumer with handlers for events that several connections may share, or may not."""

import asyncio
import functools

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth.models import Permission
from django.utils import translation
from django.utils.functional import cached_property


class Member:
    def __init__(self):
        self.name = "anna"

    @functools.cached_property
    def upper(self):
        return self.name.upper()


class Shared(AsyncJsonWebsocketConsumer):
    def __init__(self, code=0):
        super().__init__()
        self.code = code

    async def connect(self):
        self.n = 0
        self.seen = {"all": [1]}
        self.permission = await Permission.objects.afirst()
        self.member = Member()
        self.room = self.scope["url_route"]["kwargs"]["room"]
        await self.accept()

    @cached_property
    def looked_up(self):
        return self.room * 2

    # What may be shared.

    async def say(self, event):
        await self.send_json([event["text"], self.room])

    async def caches(self, event):
        kind = await database_sync_to_async(lambda: self.permission.content_type.model)()
        await self.send_json([bool(kind), self.looked_up, self.member.upper, self.scope["session"].get("cart")])

    async def joins(self, event):
        await self.channel_layer.group_add("news", self.channel_name)
        await self.channel_layer.group_discard("news", self.channel_name)
        await self.channel_layer.group_send("others", {"type": "x"})
        await self.send_json("joined")

    async def stops(self, event):
        raise StopConsumer

    # What differs between connections.

    async def reads(self, event):
        await self.send_json([self.scope["user"].username, self.scope["url_route"]["kwargs"]])

    async def leaks(self, event):
        await self.channel_layer.group_send("others", {"type": "x", "from": [self.channel_name]})

    # What cannot be kept.

    async def counts(self, event):
        self.n += 1
        await self.send_json(self.n)

    async def collects(self, event):
        self.seen["all"].append(event["type"])

    async def removes(self, event):
        del self.n

    async def adds(self, event):
        self.late = 1

    async def edits(self, event):
        self.permission.name = "another"

    async def renames(self, event):
        self.member.name = "bo"

    async def stores(self, event):
        self.scope["session"]["cart"] = []

    async def marks(self, event):
        self.scope["seen"] = True

    async def speaks(self, event):
        translation.activate("de")

    async def waits(self, event):
        async def later():
            await asyncio.sleep(0)
            self.n += 1

        self.task = None
        asyncio.get_running_loop().create_task(later())
        del self.task
