import json
import logging
import time
from datetime import datetime, timezone

from asgiref.sync import async_to_sync
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer, JsonWebsocketConsumer
from channels.routing import URLRouter
from django.core.serializers.json import DjangoJSONEncoder
from django.urls import path
from django.utils import timezone as django_timezone

logger = logging.getLogger(__name__)
VERSION = 2


class Kind:
    MESSAGE = "message"


class Room(AsyncWebsocketConsumer):
    async def connect(self):
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            await self.close()
            return
        self.room = self.scope["url_route"]["kwargs"]["room"]
        self.group = f"room_{self.room}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)


class Events(Room):
    source = "shop"

    async def literal(self, event):
        await self.send(text_data=json.dumps({"type": Kind.MESSAGE, "source": self.source, "version": VERSION}))

    async def keys(self, event):
        await self.send(
            json.dumps({"a": event["a"], "b": event.get("b"), "c": event.get("c", 1), "d": event["x"]["y"]})
        )

    async def whole(self, event):
        await self.send(text_data=json.dumps(event, cls=DjangoJSONEncoder))

    async def without_type(self, event):
        event.pop("type")
        await self.send(text_data=json.dumps(event))

    async def without_comprehension(self, event):
        await self.send(text_data=json.dumps({k: v for k, v in event.items() if k != "type"}))

    async def spread(self, event):
        await self.send(text_data=json.dumps({"kind": "spread", **event["data"]}))

    async def spread_first(self, event):
        await self.send(text_data=json.dumps({**event["data"], "at": datetime.now(timezone.utc).isoformat()}))

    async def times(self, event):
        payload = {"a": django_timezone.now().isoformat(), "b": int(time.time())}
        payload["c"] = str(django_timezone.now())
        logger.info("times %s", payload)
        await self.send(text_data=json.dumps(payload))

    async def moment(self, event):
        await self.send(text_data=json.dumps({"at": time.time()}))

    async def text(self, event):
        await self.send(text_data=event["text"])

    async def joined_text(self, event):
        await self.send(text_data=json.dumps({"text": f"{event['name']} joined", "sum": event["a"] + event["b"]}))

    async def choice(self, event):
        await self.send(text_data=json.dumps({"level": "high" if event["level"] > 3 else "low"}))

    async def guarded(self, event):
        if event.get("silent"):
            return
        await self.send(text_data=json.dumps({"text": event["text"]}))

    async def not_the_sender(self, event):
        if event["sender"] != self.channel_name:
            await self.send(text_data=json.dumps({"text": event["text"]}))

    async def only_the_recipient(self, event):
        if str(event["to"]) == str(self.user.id):
            await self.send(text_data=json.dumps({"text": event["text"]}))

    async def some(self, event):
        if event["to"] == self.user.id or self.user.is_staff:
            await self.send(text_data=json.dumps({"text": event["text"]}))

    async def either(self, event):
        if event["kind"] == "a":
            await self.send(text_data=json.dumps({"a": event["text"]}))
        elif event["kind"] == "b":
            await self.send(text_data=json.dumps({"b": event["text"]}))
        else:
            logger.warning("no kind")

    async def caught(self, event):
        try:
            await self.reply("caught", event["text"])
        except Exception:
            logger.exception("it failed")

    async def reply(self, kind, text, level=1):
        await self.send(text_data=json.dumps({"kind": kind, "text": text, "level": level}))

    async def kicked(self, event):
        await self.send(text_data=json.dumps({"reason": event["reason"]}))
        await self.close(code=event["code"])

    async def moved(self, event):
        await self.channel_layer.group_discard(self.group, self.channel_name)
        await self.channel_layer.group_add(f"room_{event['room']}", self.channel_name)

    async def room_name(self, event):
        await self.send(text_data=json.dumps({"room": self.room}))


class Python(Room):
    """Handlers that stay in Python."""

    async def user_name(self, event):
        await self.send(text_data=json.dumps({"you": self.user.username}))

    async def local_time(self, event):
        await self.send(text_data=json.dumps({"at": datetime.now().astimezone().isoformat()}))

    async def passed_on(self, event):
        await self.channel_layer.group_send("others", {"type": "literal"})

    async def counted(self, event):
        self.count = getattr(self, "count", 0) + 1
        await self.send(text_data=json.dumps({"count": self.count}))

    async def formatted(self, event):
        await self.send(text_data=json.dumps({"price": f"{event['price']:.2f}"}))

    async def listed(self, event):
        await self.send(text_data=json.dumps({"ids": [one["id"] for one in event["rows"]]}))

    async def mixed(self, event):
        if event["a"] + self.user.id > 3:
            await self.send(text_data=json.dumps({"text": event["text"]}))

    async def answered(self, event):
        try:
            await self.send(text_data=json.dumps({"text": event["text"]}))
        except KeyError:
            await self.send(text_data=json.dumps({"error": "no text"}))


class Synchronous(JsonWebsocketConsumer):
    def connect(self):
        async_to_sync(self.channel_layer.group_add)("sync", self.channel_name)
        self.accept()

    def disconnect(self, code):
        async_to_sync(self.channel_layer.group_discard)("sync", self.channel_name)

    def told(self, event):
        self.send_json({"text": event["text"]})


ROUTES = [
    path("events/<slug:room>/", Events.as_asgi()),
    path("python/<slug:room>/", Python.as_asgi()),
    path("sync/", Synchronous.as_asgi()),
]

application = AuthMiddlewareStack(URLRouter(ROUTES))
