from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .models import Notification


class NotificationConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.user = self.scope.get("user")
        if self.user is None or self.user.is_anonymous:
            return await self.close()
        self.group = "notifications_%s" % self.user.id  # noqa: UP031
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self.send_unread_count()
        return None

    async def disconnect(self, code):
        if getattr(self, "group", None):
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive_json(self, content, **kwargs):
        action = content.get("action")
        if action == "mark_read":
            await self.mark_read(content["id"])
            await self.send_json({"type": "marked", "id": content["id"]})
        elif action == "mark_all_read":
            await sync_to_async(self.user.bell.filter(is_read=False).update)(is_read=True)
            await self.send_unread_count()
        elif action == "list":
            await self.send_json({"type": "list", "results": await self.latest()})
        elif action == "ping":
            await self.send_json({"type": "pong"})
        else:
            await self.send_json({"type": "error", "message": f"Unknown action: {action}"})

    async def send_notification(self, event):
        await self.send_json({"type": "notification", "notification": event["notification"]})
        await self.send_unread_count()

    async def notification_changed(self, event):
        await self.send_json({"type": "notification_changed", "notification": event["notification"]})

    async def notification_deleted(self, event):
        await self.send_json({"type": "notification_deleted", "id": event["id"]})
        await self.send_unread_count()

    async def send_unread_count(self):
        count = await sync_to_async(self.user.bell.filter(is_read=False).count)()
        await self.send_json({"type": "unread_count", "count": count})

    @sync_to_async
    def mark_read(self, pk):
        Notification.objects.filter(pk=pk, recipient=self.user).update(is_read=True)

    @sync_to_async
    def latest(self):
        return [notification.to_json() for notification in self.user.bell.all()[:5]]
