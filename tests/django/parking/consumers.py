import json

from channels.generic.websocket import AsyncWebsocketConsumer


def matches(name, notification_type):
    """Whether the name is whole words of the type: `reservation` is in `new_reservation`, not in `reservations`."""
    return f"_{name}_" in f"_{notification_type}_"


class NotificationConsumer(AsyncWebsocketConsumer):
    """`/ws/notifications/?token=`: the events that its user subscribed to; nothing before the first subscription."""

    async def connect(self):
        self.joined = []
        self.subscribed = set()
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close()
            return
        for group in ("notifications", f"user_{user.id}", f"user_{user.id}_notifications"):
            await self.channel_layer.group_add(group, self.channel_name)
            self.joined.append(group)
        await self.accept()

    async def disconnect(self, code):
        for group in self.joined:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        try:
            message = json.loads(text_data)
        except (TypeError, ValueError):
            return
        if not isinstance(message, dict) or message.get("type") != "subscribe":
            return
        names = message.get("notification_types")
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            self.subscribed.update(names)

    async def send_notification(self, event):
        notification_type = event.get("notification_type", event["type"])
        if any(matches(name, notification_type) for name in self.subscribed):
            frame = {"type": "notification", "message": event["message"], "data": event["data"]}
            await self.send(text_data=json.dumps(frame))

    new_reservation = send_notification
    reservation_expired = send_notification
    reservation_cancelled = send_notification
    upcoming_reservation = send_notification
