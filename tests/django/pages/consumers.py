"""One consumer, which joins a group for everybody."""

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class BoardConsumer(AsyncJsonWebsocketConsumer):
    """Passes notes on, and joins what its client asks for."""

    async def connect(self):
        await self.channel_layer.group_add("everybody", self.channel_name)
        await self.accept()
        await self.send_json({"hello": self.scope["user"].username})

    async def receive_json(self, content):
        await self.channel_layer.group_add(content["again"], self.channel_name)
        await self.send_json(content)

    async def note(self, event):
        await self.send_json(event["text"])
