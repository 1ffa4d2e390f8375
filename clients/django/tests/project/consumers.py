"""Consumers as projects write them: each runs under Channels itself and behind a node, and does the same."""

import asyncio
import collections
import datetime
import decimal
import enum
import json
import uuid

from asgiref.sync import async_to_sync, sync_to_async
from channels.auth import login, logout
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from channels.layers import get_channel_layer
from django.contrib.auth.models import User

from project.models import Message


class Colour(enum.Enum):
    RED = 1


class SyncChat(WebsocketConsumer):
    groups = ["all"]

    def connect(self):
        self.user = self.scope["user"]
        self.n = 0
        self.accept()
        async_to_sync(self.channel_layer.group_add)(self.room, self.channel_name)
        self.send("hello " + self.user.username)

    @property
    def room(self):
        return "room_" + self.scope["url_route"]["kwargs"]["room"]

    def receive(self, text_data=None, bytes_data=None):
        self.n += 1
        async_to_sync(self.channel_layer.group_send)(
            self.room, {"type": "chat.message", "text": text_data or "bin", "n": self.n}
        )
        self.send(f"{self.n} {User.objects.filter(pk=self.user.pk).count()} {self.user.first_name}")
        if text_data == "bye":
            self.close(4001, "bye")

    def chat_message(self, event):
        self.send(json.dumps({"t": event["text"], "me": self.user.id}))

    def disconnect(self, code):
        async_to_sync(self.channel_layer.group_send)(
            self.room, {"type": "chat.message", "text": f"gone {code} {self.n}"}
        )


class Keeper(AsyncJsonWebsocketConsumer):
    """Keeps values of many types, and `__init__` arguments."""

    def __init__(self, limit=3):
        super().__init__()
        self.limit = limit
        self.lock = asyncio.Lock()
        self.seen = set()

    async def connect(self):
        self.when = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
        self.price = decimal.Decimal("1.50")
        self.uid = uuid.UUID(int=5)
        self.pair = (1, "a")
        self.history = collections.deque(maxlen=2)
        self.colour = Colour.RED
        self.user = self.scope["user"]
        self.cart = self.scope["session"]["cart"]
        self.scope["tenant"] = "t1"
        self.callback = self.event_x
        self.layer = self.channel_layer
        await self.channel_layer.group_add("g", self.channel_name)
        await self.accept(subprotocol="v2" if "v2" in self.scope["subprotocols"] else None, headers=[(b"x-a", b"1")])
        await self.channel_layer.group_send("g", {"type": "event.x", "from": "connect"})
        await self.channel_layer.send(self.channel_name, {"type": "event.x", "from": "self"})

    async def receive_json(self, content, **kwargs):
        async with self.lock:
            self.seen.add(content.get("k"))
            self.history.append(content.get("k"))
        if content.get("k") == "boom":
            raise RuntimeError("x")
        if content.get("k") == "stop":
            raise StopConsumer()
        await self.send_json(
            {
                "seen": sorted(map(str, self.seen)),
                "history": list(self.history),
                "limit": self.limit,
                "same": self.user is self.scope["user"],
                "user": self.user.username,
                "cart": self.cart,
                "tenant": self.scope["tenant"],
                "session": self.scope["session"]["cart"],
                "cookies": sorted(self.scope["cookies"]),
                "kwargs": str(self.scope["url_route"]["kwargs"]),
                "scope": [
                    self.scope["path"],
                    self.scope["query_string"].decode(),
                    self.scope["client"],
                    self.scope["type"],
                    dict(self.scope["headers"])[b"origin"].decode(),
                ],
                "types": [
                    type(self.when).__name__,
                    str(self.price + 1),
                    self.uid.int,
                    self.pair,
                    self.colour.name,
                    self.layer is self.channel_layer,
                    self.layer is get_channel_layer(),
                    self.callback.__name__,
                ],
            }
        )
        await self.channel_layer.group_send("g", {"type": "event.x", "from": "rx", "n": len(self.history)})
        await self.send_json({"after": 1})

    async def event_x(self, event):
        self.last = event
        await self.send_json({"e": event["from"], "n": len(self.seen)})

    async def disconnect(self, code):
        await self.channel_layer.group_discard("g", self.channel_name)


class Empty(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data="")
        await self.send(bytes_data=b"")
        await self.send(text_data="x", close=4005)


class JsonEcho(JsonWebsocketConsumer):
    def receive_json(self, content):
        self.send_json({"echo": content})


class Binary(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        if bytes_data is not None:
            await self.send(bytes_data=bytes_data[::-1])
        else:
            await self.send(text_data=text_data, close=True)


class NoHandler(AsyncWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("g", self.channel_name)
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("g", {"type": text_data})


class Database(AsyncJsonWebsocketConsumer):
    """Every way of Channels to reach the database."""

    async def connect(self):
        self.room = self.scope["url_route"]["kwargs"]["room"]
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            await self.close(code=4001)
            return
        await self.channel_layer.group_add(f"db_{self.room}", self.channel_name)
        await self.accept()
        await self.send_json(
            [row async for row in Message.objects.filter(room=self.room).values_list("text", flat=True)]
        )

    @database_sync_to_async
    def keep(self, text):
        return Message.objects.create(room=self.room, author=self.user.username, text=text).text

    async def receive_json(self, content, **kwargs):
        kept = await self.keep(content["text"])
        count = await sync_to_async(Message.objects.filter(room=self.room).count)()
        again = await Message.objects.filter(room=self.room).alast()
        await self.channel_layer.group_send(
            f"db_{self.room}", {"type": "chat.message", "text": kept, "count": count, "again": again.text}
        )

    async def chat_message(self, event):
        await self.send_json({key: value for key, value in event.items() if key != "type"})

    async def disconnect(self, code):
        if hasattr(self, "room"):
            await Message.objects.filter(room=self.room).adelete()
            await self.channel_layer.group_discard(f"db_{self.room}", self.channel_name)


class Values(AsyncWebsocketConsumer):
    """Sends what a layer can carry, and what it cannot."""

    VALUES = {
        "bytes": {"b": b"\x00\xff", "list": [b"x", {"deep": b"y"}]},
        "floats": {"nan": float("nan"), "inf": float("inf"), "minus": [float("-inf")], "one": 1.0},
        "dollars": {"one": {"$b": "not bytes"}, "two": {"$d": {"$f": "nan"}}, "three": {"$x": 1, "y": 2}},
        "text": {"umlaut": "ä\u2028\U0001f600", "empty": "", "none": None, "yes": True, "big": 2**63},
        "tuple": {"t": (1, (2, 3))},
    }

    async def connect(self):
        await self.accept()
        await self.channel_layer.group_add("values", self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("values", {"type": "value", **self.VALUES[text_data]})

    async def value(self, event):
        await self.send(text_data=repr(event))


class Groups(AsyncJsonWebsocketConsumer):
    """Joins and leaves by message, with good and bad names; sends to itself, to others, through another layer."""

    async def receive_json(self, content, **kwargs):
        do, name = content
        if do == "join":
            await self.channel_layer.group_add(name, self.channel_name)
        elif do == "leave":
            await self.channel_layer.group_discard(name, self.channel_name)
        elif do == "join another":
            await self.channel_layer.group_add(name, "specific.n2!c.other")
            return
        elif do == "say":
            await self.channel_layer.group_send(name, {"type": "said", "text": name})
        elif do == "tell":
            await self.channel_layer.send(name, {"type": "said", "text": name})
        elif do == "tell myself":
            await self.channel_layer.send(self.channel_name, {"type": "said", "text": name})
        elif do == "second":
            second = get_channel_layer("second")
            channel = await second.new_channel()
            await second.group_add(name, channel)
            await second.group_send(name, {"type": "x", "text": name})
            await self.send_json(await second.receive(channel))
        await self.send_json("done")

    async def said(self, event):
        await self.send_json(event)


class Query(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        query = self.scope["query_string"].decode()
        await self.send(text_data=f"{query} {self.scope.get('wrapped')} {self.scope['path']} {self.scope['server']}")


class ChangesScope(AsyncWebsocketConsumer):
    """Changes in place what the server has put into the scope, and says what is there."""

    async def connect(self):
        self.scope["subprotocols"].remove("v1")
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        scope = self.scope
        scope["headers"].append((b"x-seen", text_data.encode()))
        scope["subprotocols"].insert(0, text_data)
        scope["asgi"][text_data] = len(scope["asgi"])
        for pair in (scope["client"], scope["server"]):
            if isinstance(pair, list):
                pair[1] += 1
        seen = [value.decode() for name, value in scope["headers"] if name == b"x-seen"]
        extra = {name: value for name, value in scope["asgi"].items() if name not in ("version", "spec_version")}
        await self.send(
            text_data=f"{seen} {scope['subprotocols']} {len(extra)} {list(scope['client'])} {list(scope['server'])}"
        )


class LogsIn(AsyncJsonWebsocketConsumer):
    """Logs in by message, counts in the session, logs out."""

    async def receive_json(self, content, **kwargs):
        session = self.scope["session"]
        if content == "in":
            user = await User.objects.aget(username="anna")
            await login(self.scope, user, backend="django.contrib.auth.backends.ModelBackend")
        elif content == "out":
            await logout(self.scope)
        elif content == "count":
            session["n"] = session.get("n", 0) + 1
        await database_sync_to_async(session.save)()
        await self.send_json([str(self.scope["user"]), session.get("n"), self.scope["user"].is_authenticated])


class Slow(AsyncJsonWebsocketConsumer):
    """Says that it began, waits until the test lets it go on, publishes, and says that it has ended."""

    GO: dict[str, asyncio.Event] = {}

    async def connect(self):
        self.name = self.scope["url_route"]["kwargs"]["name"]
        await self.accept()

    async def receive_json(self, content, **kwargs):
        await self.send_json("began")
        go = self.GO.setdefault(self.name, asyncio.Event())
        try:
            await go.wait()
        except asyncio.CancelledError:
            await self.channel_layer.group_send(self.name, {"type": "x", "what": "cancelled"})
            raise
        await self.channel_layer.group_send(self.name, {"type": "x", "what": "published"})
        await self.send_json("ended")

    async def disconnect(self, code):
        await self.channel_layer.group_send(self.name, {"type": "x", "what": f"disconnect {code}"})


class Flood(AsyncWebsocketConsumer):
    """Sends more than anybody reads."""

    sent = 0

    async def receive(self, text_data=None, bytes_data=None):
        for _ in range(int(text_data)):
            await self.send(text_data="x" * 10_000)
            type(self).sent += 1


ROOMS: dict[str, int] = {}


class Rooms(AsyncWebsocketConsumer):
    """Counts in a dictionary of the process."""

    members: list[str] = []

    async def connect(self):
        ROOMS["a"] = ROOMS.get("a", 0) + 1
        self.members.append("x")
        await self.accept()


class Exports(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.user = self.scope["user"]
        self.player = {"name": "x", "at": datetime.date(2026, 1, 2)}
        await self.accept()

    async def receive_json(self, content, **kwargs):
        if content == "rename":
            self.scope["user"].username = "renamed"
        elif content == "log out":
            from django.contrib.auth.models import AnonymousUser

            self.scope["user"] = AnonymousUser()
        self.player = content
