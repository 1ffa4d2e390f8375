from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .models import Seat, Space


class PresenceConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.user = self.scope["user"]
        self.slug = self.scope["url_route"]["kwargs"]["slug"]
        if self.user.is_anonymous:
            await self.close(code=4401)
            return
        self.group = f"presence_{self.slug}"
        if not await self.sit_down():
            await self.close(code=4404)
            return
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self.send_json({"type": "presence", "users": await self.users()})
        await self.channel_layer.group_send(
            self.group,
            {"type": "user.status", "user_id": self.user.id, "username": self.user.username, "online": True},
        )

    async def disconnect(self, code):
        if not hasattr(self, "group"):
            return
        await self.channel_layer.group_discard(self.group, self.channel_name)
        if await self.stand_up():
            await self.channel_layer.group_send(
                self.group,
                {"type": "user.status", "user_id": self.user.id, "username": self.user.username, "online": False},
            )

    async def receive_json(self, content):
        kind = content.get("type")
        if kind == "heartbeat":
            await self.touch()
            await self.send_json({"type": "heartbeat_ack"})
        elif kind == "who":
            await self.send_json({"type": "presence", "users": await self.users()})
        elif kind == "status":
            await self.channel_layer.group_send(
                self.group,
                {"type": "user.mood", "user_id": self.user.id, "mood": content.get("mood", "here")},
            )

    async def user_status(self, event):
        await self.send_json(
            {
                "type": "user_online" if event["online"] else "user_offline",
                "user_id": event["user_id"],
                "username": event["username"],
            }
        )

    async def user_mood(self, event):
        if event["user_id"] != self.user.id:
            await self.send_json({"type": "status_update", "user_id": event["user_id"], "mood": event["mood"]})

    async def space_changed(self, event):
        await self.send_json({"type": "space", **event["space"]})

    @database_sync_to_async
    def sit_down(self):
        space = Space.objects.filter(slug=self.slug).first()
        if space is None:
            return False
        Seat.objects.create(space=space, user=self.user, channel_name=self.channel_name)
        return True

    @database_sync_to_async
    def stand_up(self):
        Seat.objects.filter(channel_name=self.channel_name).delete()
        return not Seat.objects.filter(space__slug=self.slug, user=self.user).exists()

    @database_sync_to_async
    def touch(self):
        for seat in Seat.objects.filter(channel_name=self.channel_name):
            seat.save()

    @database_sync_to_async
    def users(self):
        seats = Seat.objects.filter(space__slug=self.slug).values_list("user__username", flat=True)
        return sorted(set(seats))
