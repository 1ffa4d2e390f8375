import asyncio
import hashlib
import json
import time
from collections import deque

from channels.consumer import AsyncConsumer, SyncConsumer
from channels.db import database_sync_to_async
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)

from .models import Answer, Upload


async def generate(prompt):
    """In place of a language model: one word at a time."""
    for word in f"You asked {prompt} and here is the answer".split():
        await asyncio.sleep(0.01)
        yield word + " "


class AssistantConsumer(AsyncJsonWebsocketConsumer):
    """Streams an answer token by token, stores it, and remembers the conversation."""

    async def connect(self):
        self.conversation = []
        await self.accept()
        await self.send_json({"type": "ready"})

    async def receive_json(self, content):
        prompt = content["prompt"]
        self.conversation.append({"role": "user", "content": prompt})
        await self.send_json({"type": "start", "turn": len(self.conversation)})
        text, chunks = "", 0
        async for token in generate(prompt):
            text += token
            chunks += 1
            await self.send_json({"type": "token", "token": token})
        self.conversation.append({"role": "assistant", "content": text})
        answer = await Answer.objects.acreate(prompt=prompt, text=text, chunks=chunks)
        await self.send_json({"type": "end", "id": answer.pk, "turns": len(self.conversation)})


class ProgressConsumer(AsyncWebsocketConsumer):
    """A job whose steps go to a group as well; others look on."""

    async def connect(self):
        self.job = self.scope["url_route"]["kwargs"]["job"]
        await self.channel_layer.group_add(f"job_{self.job}", self.channel_name)
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        for percent in (0, 50, 100):
            await self.send(text_data=json.dumps({"own": percent}))
            await self.channel_layer.group_send(f"job_{self.job}", {"type": "job.progress", "percent": percent})
            await asyncio.sleep(0.02)
        await self.send(text_data="done")

    async def job_progress(self, event):
        await self.send(text_data=json.dumps({"group": event["percent"]}))


class SyncStreamConsumer(WebsocketConsumer):
    """Several frames over time from a synchronous consumer."""

    def connect(self):
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        for number in range(int(text_data)):
            time.sleep(0.01)
            self.send(text_data=f"line {number}")
        self.send(text_data="end", close=True)


class UploadConsumer(AsyncWebsocketConsumer):
    """A text header, then binary chunks, then a digest; what has come so far is kept."""

    async def connect(self):
        self.name = None
        self.buffer = bytearray()
        self.hashes = []
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        if bytes_data is not None:
            self.buffer += bytes_data
            self.hashes.append(hashlib.sha256(bytes_data).digest())
            await self.send(bytes_data=len(self.buffer).to_bytes(4, "big"))
            return
        message = json.loads(text_data)
        if message["type"] == "start":
            self.name = message["name"]
        elif message["type"] == "end":
            digest = hashlib.sha256(self.buffer).hexdigest()
            upload = await Upload.objects.acreate(name=self.name, size=len(self.buffer), digest=digest)
            await self.send(text_data=json.dumps({"saved": upload.pk, "digest": digest, "parts": len(self.hashes)}))
            await self.send(bytes_data=bytes(self.buffer[::-1]))
            self.buffer.clear()


class EchoConsumer(AsyncConsumer):
    """Raw echo of text and bytes, of any size."""

    async def websocket_connect(self, message):
        await self.send({"type": "websocket.accept"})

    async def websocket_receive(self, message):
        await self.send({**message, "type": "websocket.send"})


class RawSyncEchoConsumer(SyncConsumer):
    """The same, synchronous, and with the end it was told of."""

    def websocket_connect(self, message):
        self.count = 0
        self.send({"type": "websocket.accept"})

    def websocket_receive(self, message):
        self.count += 1
        if message.get("text") == "close":
            self.send({"type": "websocket.close", "code": 4000 + self.count})
        elif "text" in message:
            self.send({"type": "websocket.send", "text": message["text"] * 2})
        else:
            self.send({"type": "websocket.send", "bytes": message["bytes"] * 2})


class GatherConsumer(AsyncJsonWebsocketConsumer):
    """Several things at once inside a handler, under a lock made in `__init__`."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.lock = asyncio.Lock()
        self.total = 0

    async def receive_json(self, content):
        results = await asyncio.gather(*(self.add(n) for n in content["numbers"]))
        await self.send_json({"results": sorted(results), "total": self.total})

    async def add(self, number):
        async with self.lock:
            before = self.total
            await asyncio.sleep(0)
            self.total = before + number
        return number * 10


class ShortTaskConsumer(AsyncWebsocketConsumer):
    """A task that ends soon after the handler: it sends, and it changes what the next handler sees."""

    async def connect(self):
        self.saved = 0
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        asyncio.create_task(self.save(text_data))
        await self.send(text_data="saving")

    async def save(self, text):
        await asyncio.sleep(0.01)
        self.saved += len(text)
        await self.send(text_data=f"saved {self.saved}")


class RateConsumer(JsonWebsocketConsumer):
    """The times of the last messages in a deque; the fourth within a minute is refused."""

    def connect(self):
        self.times = deque(maxlen=3)
        self.accept()

    def receive_json(self, content):
        now = time.time()
        if len(self.times) == 3 and now - self.times[0] < 60:
            self.send_json({"error": "rate", "kept": len(self.times)})
            return
        self.times.append(now)
        self.send_json({"ok": content, "kept": len(self.times)})


class MixedFramesConsumer(AsyncWebsocketConsumer):
    """Text and binary in one answer; what Channels itself does with empty ones."""

    async def receive(self, text_data=None, bytes_data=None):
        if text_data is not None:
            await self.send(text_data=f"{len(text_data)} {text_data[:12]}")
            await self.send(bytes_data=text_data.encode("utf-16-le"))
        else:
            await self.send(bytes_data=bytes_data[:4])
            await self.send(text_data=bytes_data.hex()[:64])


class ThreadedDatabaseConsumer(AsyncJsonWebsocketConsumer):
    """Writes rows in a transaction; a failure rolls back and the socket stays."""

    async def receive_json(self, content):
        try:
            count = await self.store(content["texts"])
            await self.send_json({"stored": count})
        except ValueError as e:
            await self.send_json({"failed": str(e), "rows": await Answer.objects.filter(prompt="batch").acount()})

    @database_sync_to_async
    def store(self, texts):
        from django.db import transaction

        with transaction.atomic():
            for text in texts:
                if not text:
                    raise ValueError("empty text")
                Answer.objects.create(prompt="batch", text=text, chunks=1)
        return Answer.objects.filter(prompt="batch").count()
