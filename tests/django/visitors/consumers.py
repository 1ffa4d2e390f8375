import json

from channels.generic.websocket import AsyncWebsocketConsumer


class BroadcastConsumer(AsyncWebsocketConsumer):
    """`/ws/`: all changes of visitors and staff, for everyone."""

    async def connect(self):
        await self.channel_layer.group_add("broadcast", self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard("broadcast", self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        pass

    async def send_event(self, event):
        await self.send(text_data=json.dumps({"event": event["event"], "data": event["data"]}))
