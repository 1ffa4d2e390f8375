"""Consumers that one call per event cannot run: each is refused in plain words."""

import asyncio
import random
import string
import threading
import time
import weakref

from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer, WebsocketConsumer
from django.db.models.signals import post_save

from project.models import Message

CLIENTS: list = []
WEAK: weakref.WeakSet = weakref.WeakSet()
LISTENERS: dict = {"said": []}


class Loop(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        self.task = asyncio.create_task(self.loop())

    async def loop(self):
        while True:
            await asyncio.sleep(0.05)
            await self.send(text_data="tick")

    async def disconnect(self, code):
        self.task.cancel()


class LoopInMessage(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        asyncio.ensure_future(tick(self.send))


async def tick(send):
    while True:
        await asyncio.sleep(0.05)
        await send(text_data="tick")


class Thread(WebsocketConsumer):
    def connect(self):
        self.accept()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        for _ in range(20):
            time.sleep(0.05)
            self.send("t")


class ThreadClass(WebsocketConsumer):
    def connect(self):
        self.accept()
        Worker(self).start()


class Worker(threading.Thread):
    def __init__(self, consumer):
        super().__init__(daemon=True)
        self.consumer = consumer

    def run(self):
        time.sleep(0.8)


class ThreadTimer(WebsocketConsumer):
    def connect(self):
        self.accept()
        self.timer = threading.Timer(1, self.late)
        self.timer.daemon = True
        self.timer.start()

    def late(self):
        self.send("late")


class InExecutor(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        asyncio.get_running_loop().run_in_executor(None, self.work)

    def work(self):
        time.sleep(0.8)


class LoopTimer(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        asyncio.get_running_loop().call_later(5, self.late)

    def late(self):
        pass


class Unkept(AsyncWebsocketConsumer):
    async def connect(self):
        self.file = open("/dev/null")
        await self.accept()


class Event(AsyncWebsocketConsumer):
    async def connect(self):
        self.disconnect_event = asyncio.Event()
        self.disconnect_event.set()
        await self.accept()


class Big(AsyncWebsocketConsumer):
    async def connect(self):
        self.blob = "".join(random.choice(string.printable) for _ in range(200000))
        await self.accept()


class Receives(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        channel = await self.channel_layer.new_channel()
        try:
            await self.send(text_data=str(await self.channel_layer.receive(channel)))
        except Exception:
            await self.send(text_data="swallowed")


class Keys(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("g", {"type": "x", "rows": {1: "a"}})


class Inner(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content, **kwargs):
        await self.send_json(content)


class Demultiplexer(AsyncJsonWebsocketConsumer):
    """Runs its inner consumers as tasks, for as long as it lives."""

    async def connect(self):
        self.inbox = asyncio.Queue()
        self.inner = asyncio.ensure_future(Inner.as_asgi()(self.scope, self.inbox.get, self.base_send))
        await self.inbox.put({"type": "websocket.connect"})
        await asyncio.sleep(0.01)


class CallDemultiplexer(AsyncJsonWebsocketConsumer):
    """The same in a `__call__` that does not call Channels' own."""

    async def __call__(self, scope, receive, send):
        await Inner.as_asgi()(scope, receive, send)
        while True:
            await receive()


class Registered(AsyncWebsocketConsumer):
    """Is in a list of its module, as many projects keep their clients."""

    async def connect(self):
        CLIENTS.append(self)
        await self.accept()


class RegisteredByClass(WebsocketConsumer):
    """Is in a dictionary of its class, beside its own attributes that lead to it."""

    clients: dict = {}

    def connect(self):
        self.handlers = {"a": self.receive}
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        self.clients[self.channel_name] = {"consumer": self}


class RegisteredWeakly(AsyncWebsocketConsumer):
    async def connect(self):
        WEAK.add(self)
        await self.accept()


class Listening(AsyncWebsocketConsumer):
    """Leaves a method of its own in a registry of callbacks."""

    async def connect(self):
        LISTENERS["said"].append(self.send)
        await self.accept()


class OnSignal(AsyncWebsocketConsumer):
    async def connect(self):
        post_save.connect(self.saved, sender=Message)
        await self.accept()

    def saved(self, instance, **options):
        async_to_sync(self.send)(instance.text)


class OnSignalByClosure(AsyncWebsocketConsumer):
    async def connect(self):
        def saved(instance, **options):
            async_to_sync(self.send)(instance.text)

        post_save.connect(saved, sender=Message, weak=False, dispatch_uid=self.channel_name)
        await self.accept()


async def plain(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": message["text"]})


async def swallowing(scope, receive, send):
    """A plain application that survives every exception."""
    while True:
        try:
            await receive()
        except Exception:
            continue


async def lazy(scope, receive, send):
    """A plain application that says no at once."""
    await send({"type": "websocket.close", "code": 4001})
