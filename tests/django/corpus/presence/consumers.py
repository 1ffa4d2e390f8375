import json

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from django.core.cache import cache
from django.db.models import F
from django.utils import timezone

from .models import Connection, Profile


class OnlineConsumer(AsyncJsonWebsocketConsumer):
    """A flag and a counter in the user's profile, and an event for those who look."""

    async def connect(self):
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            await self.close()
            return
        await self.channel_layer.group_add("online_users", self.channel_name)
        await self.accept()
        await self.update_user_status(True)
        await self.channel_layer.group_send(
            "online_users", {"type": "user.status", "user_id": self.user.id, "status": "online"}
        )

    async def disconnect(self, close_code):
        if self.user.is_authenticated:
            await self.update_user_status(False)
            await self.channel_layer.group_send(
                "online_users", {"type": "user.status", "user_id": self.user.id, "status": "offline"}
            )
            await self.channel_layer.group_discard("online_users", self.channel_name)

    async def user_status(self, event):
        await self.send_json({"type": "status_update", "user_id": event["user_id"], "status": event["status"]})

    @database_sync_to_async
    def update_user_status(self, online):
        profile, _ = Profile.objects.get_or_create(user=self.user)
        Profile.objects.filter(pk=profile.pk).update(
            is_online=online, last_seen=timezone.now(), connections=F("connections") + (1 if online else -1)
        )


class DirectConsumer(WebsocketConsumer):
    """A row per connection with its channel; a message to a user goes to the channels in the table."""

    def connect(self):
        self.user = self.scope["user"]
        self.accept()
        self.row = Connection.objects.create(user=self.user, room="direct", channel_name=self.channel_name)

    def receive(self, text_data=None, bytes_data=None):
        data = json.loads(text_data)
        layer = get_channel_layer()
        channels = Connection.objects.filter(room="direct", user__username=data["to"]).values_list(
            "channel_name", flat=True
        )
        for name in channels:
            async_to_sync(layer.send)(
                name, {"type": "direct.message", "from": self.user.username, "text": data["text"]}
            )
        self.send(text_data=json.dumps({"sent_to": len(channels)}))

    def direct_message(self, event):
        self.send(text_data=json.dumps({"from": event["from"], "text": event["text"]}))

    def disconnect(self, code):
        self.row.delete()


class ViewersConsumer(AsyncJsonWebsocketConsumer):
    """Who looks at a page: a list in the cache, read, changed and written back."""

    async def connect(self):
        self.page = self.scope["url_route"]["kwargs"]["page"]
        self.group = f"viewers_{self.page}"
        self.key = f"viewers:{self.page}"
        self.name = self.scope["user"].username or "anonymous"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        viewers = await cache.aget(self.key, [])
        viewers.append(self.name)
        await cache.aset(self.key, viewers, timeout=None)
        await self.broadcast(viewers)

    async def disconnect(self, code):
        viewers = await cache.aget(self.key, [])
        if self.name in viewers:
            viewers.remove(self.name)
        await cache.aset(self.key, viewers, timeout=None)
        await self.channel_layer.group_discard(self.group, self.channel_name)
        await self.broadcast(viewers)

    async def broadcast(self, viewers):
        await self.channel_layer.group_send(self.group, {"type": "viewers", "viewers": viewers})

    async def viewers(self, event):
        await self.send_json({"viewers": event["viewers"], "count": len(event["viewers"])})


class LobbyConsumer(AsyncJsonWebsocketConsumer):
    """A matchmaking queue: the second player puts the first one's channel into the game's group."""

    async def connect(self):
        self.user = self.scope["user"]
        self.game = None
        await self.accept()
        self.row = await Connection.objects.acreate(user=self.user, room="lobby", channel_name=self.channel_name)

    async def receive_json(self, content):
        if content["action"] == "play":
            waiting = await self.take_opponent()
            if waiting is None:
                await self.send_json({"status": "waiting"})
                return
            group = f"game_{waiting.pk}"
            await self.channel_layer.group_add(group, waiting.channel_name)
            await self.channel_layer.group_add(group, self.channel_name)
            await self.channel_layer.send(waiting.channel_name, {"type": "game.found", "group": group})
            self.game = group
            await self.channel_layer.group_send(
                group, {"type": "game.start", "players": [waiting.user.username, self.user.username]}
            )
        elif content["action"] == "move":
            await self.channel_layer.group_send(
                self.game, {"type": "game.move", "by": self.user.username, "move": content["move"]}
            )

    @database_sync_to_async
    def take_opponent(self):
        rows = Connection.objects.filter(room="lobby").exclude(pk=self.row.pk).select_related("user")
        return rows.order_by("pk").first()

    async def game_found(self, event):
        self.game = event["group"]

    async def game_start(self, event):
        await self.send_json({"start": event["players"], "you": self.user.username})

    async def game_move(self, event):
        await self.send_json({"by": event["by"], "move": event["move"], "game": self.game is not None})

    async def disconnect(self, code):
        await self.row.adelete()
        if self.game:
            await self.channel_layer.group_discard(self.game, self.channel_name)
            await self.channel_layer.group_send(
                self.game, {"type": "game.move", "by": self.user.username, "move": "left"}
            )


class SelfSenderConsumer(AsyncWebsocketConsumer):
    """Sends to its own channel, before and after accept and in the handler itself."""

    async def connect(self):
        await self.channel_layer.send(self.channel_name, {"type": "step", "number": 0})
        await self.accept()
        await self.send(text_data="accepted")

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.send(self.channel_name, {"type": "step", "number": int(text_data)})
        await self.send(text_data="queued")

    async def step(self, event):
        await self.send(text_data=f"step {event['number']}")
        if event["number"] > 1:
            await self.channel_layer.send(self.channel_name, {"type": "step", "number": event["number"] - 1})


class QrLoginConsumer(AsyncJsonWebsocketConsumer):
    """Its channel name waits in the cache until a view sends to it."""

    async def connect(self):
        self.code = self.scope["url_route"]["kwargs"]["code"]
        await self.accept()
        await cache.aset(f"qr:{self.code}", self.channel_name, timeout=120)
        await self.send_json({"qr": self.code})

    async def qr_confirmed(self, event):
        await self.send_json({"login": event["user"]})
        await self.close(1000)

    async def disconnect(self, code):
        await cache.adelete(f"qr:{self.code}")


class ModeratedRoomConsumer(AsyncJsonWebsocketConsumer):
    """Everybody joins; a moderator removes another's channel from the group, and adds it again."""

    async def connect(self):
        self.group = "moderated_" + self.scope["url_route"]["kwargs"]["room"]
        self.row = await Connection.objects.acreate(
            user=self.scope["user"], room=self.group, channel_name=self.channel_name
        )
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def receive_json(self, content):
        action = content["action"]
        if action == "say":
            await self.channel_layer.group_send(self.group, {"type": "room.said", "text": content["text"]})
            return
        other = await Connection.objects.aget(room=self.group, user__username=content["who"])
        change = self.channel_layer.group_add if action == "add" else self.channel_layer.group_discard
        await change(self.group, other.channel_name)
        await self.channel_layer.send(other.channel_name, {"type": "you.were", "what": action})
        await self.send_json({"done": action})

    async def room_said(self, event):
        await self.send_json({"text": event["text"]})

    async def you_were(self, event):
        await self.send_json({"you": event["what"]})

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)
        await self.row.adelete()


class GreeterConsumer(AsyncJsonWebsocketConsumer):
    """Joins and greets its own group before it accepts: its own greeting comes, too."""

    async def connect(self):
        self.room = "greeter_" + self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.channel_layer.group_send(
            self.room, {"type": "greeting", "text": "someone comes", "channel": self.channel_name}
        )
        await self.accept()
        await self.send_json({"you": "are in"})
        await self.channel_layer.group_send(
            self.room, {"type": "greeting", "text": "someone came", "channel": self.channel_name}
        )

    async def greeting(self, event):
        await self.send_json({"text": event["text"], "own": event["channel"] == self.channel_name})

    async def receive_json(self, content):
        await self.channel_layer.group_send(self.room, {"type": "greeting", "text": "1", "channel": ""})
        await self.send_json({"between": True})
        await self.channel_layer.group_discard(self.room, self.channel_name)
        await self.channel_layer.group_send(self.room, {"type": "greeting", "text": "2", "channel": ""})
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.channel_layer.group_send(self.room, {"type": "greeting", "text": "3", "channel": ""})

    async def disconnect(self, code):
        await self.channel_layer.group_send(
            self.room, {"type": "greeting", "text": f"gone {code}", "channel": self.channel_name}
        )
        await self.channel_layer.group_discard(self.room, self.channel_name)
