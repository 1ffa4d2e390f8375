"""Consumers that one call per event cannot serve: they have to stay with Daphne."""

import asyncio
import threading
import time

from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer, WebsocketConsumer
from channelsmultiplexer import AsyncJsonWebsocketDemultiplexer


class HeartbeatConsumer(AsyncWebsocketConsumer):
    """A loop of its own."""

    async def connect(self):
        await self.accept()
        self.task = asyncio.create_task(self.heartbeat())

    async def heartbeat(self):
        while True:
            await asyncio.sleep(0.05)
            await self.send(text_data="beat")

    async def disconnect(self, code):
        self.task.cancel()


class LaterLoopConsumer(AsyncWebsocketConsumer):
    """Its loop begins with a message, in the style of those that keep no task."""

    async def connect(self):
        self.running = False
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        self.running = True
        asyncio.ensure_future(self.tick())

    async def tick(self):
        while self.running:
            await self.send(text_data="tick")
            await asyncio.sleep(0.05)

    async def disconnect(self, code):
        self.running = False


class ThreadConsumer(WebsocketConsumer):
    """A thread that sends."""

    def connect(self):
        self.accept()
        self.running = True
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        while self.running:
            time.sleep(0.05)
            self.send(text_data="tock")

    def disconnect(self, code):
        self.running = False


class FileConsumer(AsyncWebsocketConsumer):
    """An open file."""

    async def connect(self):
        self.file = open("/dev/null")  # noqa: PTH123, SIM115
        await self.accept()

    async def disconnect(self, code):
        self.file.close()


class EventConsumer(AsyncWebsocketConsumer):
    """An event for others to wait for, made in `connect`."""

    async def connect(self):
        self.disconnect_event = asyncio.Event()
        await self.accept()

    async def disconnect(self, code):
        self.disconnect_event.set()


class GeneratorConsumer(AsyncWebsocketConsumer):
    """A generator that is half used."""

    async def connect(self):
        self.numbers = iter(n * n for n in range(100))
        next(self.numbers)
        await self.accept()


class GameState:
    def __init__(self):
        self.players = {}


class Arena:
    games = {}


class PongConsumer(AsyncJsonWebsocketConsumer):
    """A state of the process, shared by all who play."""

    async def connect(self):
        room = self.scope["url_route"]["kwargs"]["room"]
        self.game_state = Arena.games.setdefault(room, GameState())
        self.game_state.players[self.channel_name] = 0
        await self.accept()
        await self.send_json({"players": len(self.game_state.players)})


class BigConsumer(AsyncWebsocketConsumer):
    """More than can be kept: text that does not compress."""

    async def connect(self):
        import random

        rnd = random.Random(1)
        self.blob = "".join(chr(rnd.randrange(33, 0x3000)) for _ in range(120_000))
        await self.accept()


class EndlessConsumer(AsyncWebsocketConsumer):
    """Its `connect` looks for something to tell, for ever."""

    async def connect(self):
        await self.accept()
        told = None
        while True:
            if (news := self.scope.get("news")) != told:
                told = news
                await self.send(text_data=news)
            await asyncio.sleep(0.5)


class WaitingConsumer(AsyncWebsocketConsumer):
    """Reads another channel inside its handler."""

    async def connect(self):
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        name = await self.channel_layer.new_channel()
        message = await self.channel_layer.receive(name)
        await self.send(text_data=message["text"])


class InnerConsumer(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content):
        await self.send_json({"inner": content})


class StreamsConsumer(AsyncJsonWebsocketDemultiplexer):
    """Several consumers over one socket."""

    applications = {"first": InnerConsumer.as_asgi(), "second": InnerConsumer.as_asgi()}


async def plain(scope, receive, send):
    """A WebSocket application without Channels."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
