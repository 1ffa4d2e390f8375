"""One handler for each condition that public projects have; each sends what it is about."""

import asyncio

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class ConditionsConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.user = self.scope["user"]
        self.is_staff = getattr(self.user, "is_staff", False)
        self.room = self.scope["url_route"]["kwargs"]["room"]
        self.teams = ["red", "blue"] if self.user.username == "ben" else []
        await self.channel_layer.group_add(f"cond_{self.room}", self.channel_name)
        await self.accept()

    async def receive_json(self, content):
        own = {"sender_id": self.user.id, "sender_channel_name": self.channel_name}
        await self.channel_layer.group_send(f"cond_{self.room}", {**content, **own})

    async def everybody(self, event):
        await self.send_json({"everybody": event["n"]})

    async def other_users(self, event):
        if event["sender_id"] != self.user.id:
            await self.send_json({"other_users": event["n"]})

    async def other_sockets(self, event):
        if event["sender_channel_name"] == self.channel_name:
            return
        await self.send_json({"other_sockets": event["n"]})

    async def only_to(self, event):
        if event["to"] == self.user.id:
            await self.send_json({"only_to": event["n"]})

    async def may_see(self, event):
        if (
            self.is_staff
            or event["owner"] == self.user.id
            or self.user.id in event["users"]
            or set(event["teams"]) & set(self.teams)
        ):
            await self.send_json({"may_see": event["n"]})

    async def greeting(self, event):
        await self.send_json({"greeting": event["n"], "to": self.user.username, "room": self.room})

    async def not_muted(self, event):
        if self.user.id not in event.get("muted", []) and not (self.is_staff and event["quiet"]):
            await self.send_json({"not_muted": event["n"]})


class LateConsumer(AsyncJsonWebsocketConsumer):
    """Joins its group, and learns only then what its conditions read; a message changes that."""

    async def connect(self):
        await self.channel_layer.group_add(f"late_{self.scope['url_route']['kwargs']['room']}", self.channel_name)
        await self.accept()
        await self.send_json("accepted")
        await asyncio.sleep(1)
        self.user = self.scope["user"]
        self.muted = []
        await self.send_json("connected")

    async def receive_json(self, content):
        await self.send_json("heard")
        await asyncio.sleep(1)
        self.muted = content["mute"]
        await self.send_json("muted")

    async def other_users(self, event):
        if event["sender_id"] != self.user.id:
            await self.send_json({"other_users": event["n"]})

    async def only_to(self, event):
        if event["to"] == self.user.id:
            await self.send_json({"only_to": event["n"]})

    async def unmuted(self, event):
        if event["sender_id"] not in self.muted:
            await self.send_json({"unmuted": event["n"]})

    async def greeting(self, event):
        await self.send_json({"greeting": event["n"], "to": self.user.username})

    async def over(self, event):
        if event["to"] == self.user.id:
            await self.close(4001)
