import json

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils import timezone

from .models import Order


class OrderConsumer(AsyncWebsocketConsumer):
    """One order, for its customer."""

    async def connect(self):
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            await self.close(code=4001)
            return
        self.order_id = self.scope["url_route"]["kwargs"]["order_id"]
        order = await self.get_order()
        if order is None:
            await self.close(code=4004)
            return
        self.group_name = f"order_{self.order_id}"
        await self.channel_layer.group_add(self.group_name, self.channel_name)
        await self.accept()
        await self.send(text_data=json.dumps({"type": "snapshot", "order": order}))

    async def disconnect(self, close_code):
        if hasattr(self, "group_name"):
            await self.channel_layer.group_discard(self.group_name, self.channel_name)

    async def receive(self, text_data):
        data = json.loads(text_data)
        if data.get("type") == "ping":
            await self.send(text_data=json.dumps({"type": "pong", "timestamp": timezone.now().isoformat()}))
        elif data.get("type") == "refresh":
            await self.send(text_data=json.dumps({"type": "snapshot", "order": await self.get_order()}))

    async def order_update(self, event):
        await self.send(
            text_data=json.dumps({"type": "order_update", "action": event["action"], "data": event["data"]})
        )

    @database_sync_to_async
    def get_order(self):
        order = Order.objects.filter(pk=self.order_id, customer=self.user).select_related("customer").first()
        return order.as_dict() if order else None


class OrderListConsumer(AsyncWebsocketConsumer):
    """All orders, for staff."""

    async def connect(self):
        user = self.scope["user"]
        if user.is_authenticated and user.is_staff:
            await self.channel_layer.group_add("orders", self.channel_name)
            await self.accept()
        else:
            await self.close(code=4003)

    async def disconnect(self, close_code):
        await self.channel_layer.group_discard("orders", self.channel_name)

    async def order_update(self, event):
        await self.send(
            text_data=json.dumps({"type": "order_update", "action": event["action"], "data": event["data"]})
        )
