import json

from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer
from channels.routing import URLRouter
from django.urls import path


class Room(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.user = self.scope["user"]
        if self.user.is_anonymous:
            await self.close()
            return
        self.group = f"talk_{self.scope['url_route']['kwargs']['room']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def said(self, event):
        await self.send_json({"text": event["text"]})


class If(Room):
    async def receive_json(self, content, **kwargs):
        kind = content.get("type")
        if kind == "ping":
            await self.send_json({"type": "pong", "at": content.get("at")})
        elif kind == "say":
            text = content.get("text", "").strip()
            if not text:
                await self.send_json({"type": "error", "message": "empty"})
                return
            await self.channel_layer.group_send(self.group, {"type": "said", "text": text, "by": self.user.id})
        elif kind in ("leave", "bye"):
            await self.close(code=4000)
        else:
            await self.send_json({"type": "error", "message": "unknown"})


class Match(Room):
    async def receive_json(self, content):
        match content["action"]:
            case "ping":
                await self.send_json({"action": "pong"})
            case "subscribe":
                await self.channel_layer.group_add(f"topic_{content['topic']}", self.channel_name)
                await self.send_json({"action": "subscribed", "topic": content["topic"]})
            case "unsubscribe":
                await self.channel_layer.group_discard(f"topic_{content['topic']}", self.channel_name)
            case _:
                pass


class Table(Room):
    async def receive_json(self, content):
        commands = {"ping": self.ping, "say": self.say}
        command = commands.get(content.get("command"))
        if command:
            await command(content)

    async def ping(self, content):
        await self.send_json({"command": "pong"})

    async def say(self, content):
        await self.channel_layer.group_send(self.group, {"type": "said", "text": content["text"]})


class Text(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "ping":
            await self.send("pong")
            return
        data = json.loads(text_data)
        if data["type"] == "echo":
            await self.send(text_data=json.dumps({"echo": data["text"]}))


class Caught(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        try:
            data = json.loads(text_data)
        except (TypeError, ValueError):
            return
        if data.get("type") == "echo":
            await self.send(text_data=json.dumps({"echo": data["text"]}))


class Told(AsyncWebsocketConsumer):
    """A binary message is answered like bad JSON."""

    async def receive(self, text_data=None, bytes_data=None):
        try:
            data = json.loads(text_data)
        except Exception:
            await self.send(text_data=json.dumps({"error": "no JSON"}))
            return
        await self.send(text_data=json.dumps({"echo": data["text"]}))


class ToldText(AsyncWebsocketConsumer):
    """A binary message ends the connection, so an answer would be more."""

    async def receive(self, text_data):
        try:
            data = json.loads(text_data)
        except ValueError:
            await self.send(text_data=json.dumps({"error": "no JSON"}))
            return
        await self.send(text_data=json.dumps({"echo": data["text"]}))


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data):
        await self.send(text_data=text_data)


class TwoKeys(Room):
    async def receive_json(self, content):
        if content.get("type") == "ping":
            await self.send_json({"type": "pong"})
        elif content.get("action") == "say":
            await self.send_json({"type": "said"})


class Dynamic(Room):
    async def receive_json(self, content):
        await getattr(self, f"do_{content['type']}")(content)

    async def do_ping(self, content):
        await self.send_json({"type": "pong"})


class State(Room):
    async def receive_json(self, content):
        if content["type"] == "ping":
            await self.send_json({"type": "pong"})
        elif content["type"] == "name":
            self.name = content["name"]


class Leaving(Room):
    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)
        await self.channel_layer.group_send(self.group, {"type": "said", "text": f"{self.user.username} left"})


class Secret(Room):
    """A comparison with a secret is not copied into a file."""

    async def receive_json(self, content):
        if content.get("token") == "swordfish":
            await self.send_json({"type": "welcome"})


ROUTES = [
    *(
        path(f"{one.__name__.lower()}/<int:room>/", one.as_asgi())
        for one in (If, Match, Table, TwoKeys, Dynamic, State, Leaving, Secret)
    ),
    *(path(f"{one.__name__.lower()}/", one.as_asgi()) for one in (Text, Caught, Told, ToldText, Echo)),
]

application = AuthMiddlewareStack(URLRouter(ROUTES))
