from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from orders.models import Order


class OrderConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.pk = self.scope["url_route"]["kwargs"]["pk"]
        if not await self.is_mine():
            await self.close()
            return
        await self.channel_layer.group_add(f"order_{self.pk}", self.channel_name)
        await self.accept()

    @database_sync_to_async
    def is_mine(self):
        return Order.objects.filter(pk=self.pk, owner_id=self.scope["user"].pk).exists()

    async def receive_json(self, content, **kwargs):
        await Order.objects.filter(pk=self.pk).aupdate(note=content["note"])
        await self.send_json({"note": content["note"]})

    async def order_status(self, event):
        await self.send_json({"order": self.pk, "status": event["status"]})

    async def disconnect(self, code):
        await Order.objects.filter(pk=self.pk).aupdate(note=f"left with {code}")
