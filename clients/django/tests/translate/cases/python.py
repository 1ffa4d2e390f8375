import asyncio
import threading

from channels.auth import AuthMiddlewareStack
from channels.consumer import AsyncConsumer
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer
from channels.routing import URLRouter
from django.contrib.auth.models import Group
from django.urls import path


class Chat(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.user = self.scope["user"]
        self.pk = self.scope["url_route"]["kwargs"]["pk"]
        self.group = f"chat_{self.pk}"
        if not await self.is_member():
            await self.close()
            return
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    @database_sync_to_async
    def is_member(self):
        return self.user.groups.filter(pk=self.pk).exists()

    async def receive_json(self, content):
        if content["type"] == "ping":
            await self.send_json({"type": "pong", "room": self.pk})
        else:
            await Group.objects.acreate(name=content["text"])

    async def said(self, event):
        if event["by"] != self.user.id:
            await self.send_json({"text": event["text"]})

    async def told(self, event):
        group = await Group.objects.aget(pk=event["pk"])
        await self.send_json({"name": group.name})

    async def kept(self, event):
        await Group.objects.acreate(name=event["name"])


class Orm(AsyncJsonWebsocketConsumer):
    async def connect(self):
        group = await Group.objects.filter(name="x").afirst()
        if group is not None:
            await self.channel_layer.group_add("x", self.channel_name)
        await self.accept()


class Decorated(AsyncJsonWebsocketConsumer):
    @database_sync_to_async
    def connect(self):
        self.accept()


class Loop(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        while True:
            await self.send("tick")
            await asyncio.sleep(1)


class Task(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        asyncio.create_task(self.tick())

    async def tick(self):
        await self.send("tick")


class Thread(AsyncWebsocketConsumer):
    async def receive(self, text_data):
        threading.Thread(target=self.work).start()

    def work(self):
        pass


class Process(AsyncWebsocketConsumer):
    async def receive(self, text_data):
        await asyncio.create_subprocess_exec("ls")


class Mail(AsyncWebsocketConsumer):
    """A task that does not hold the consumer is left alone."""

    async def connect(self):
        asyncio.create_task(mail())
        await self.accept()


async def mail():
    pass


class Frame(AsyncWebsocketConsumer):
    async def dispatch(self, message):
        await super().dispatch(message)


class Worker(AsyncConsumer):
    async def work(self, message):
        pass


async def plain(scope, receive, send):
    pass


ROUTES = [
    path("chat/<int:pk>/", Chat.as_asgi()),
    *(
        path(f"{one.__name__.lower()}/", one.as_asgi())
        for one in (Orm, Decorated, Loop, Task, Thread, Process, Mail, Frame, Worker)
    ),
    path("plain/", plain),
]

application = AuthMiddlewareStack(URLRouter(ROUTES))
