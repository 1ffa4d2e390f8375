import json

from channels.generic.websocket import AsyncWebsocketConsumer


class AttendanceConsumer(AsyncWebsocketConsumer):
    """`/ws/attendance/`: a hello, pongs with the client's timestamp, and every attendance update."""

    async def connect(self):
        await self.channel_layer.group_add("attendance_updates", self.channel_name)
        await self.accept()
        await self.send(
            text_data=json.dumps({"type": "connection_established", "message": "Connected to attendance updates"})
        )

    async def disconnect(self, code):
        await self.channel_layer.group_discard("attendance_updates", self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        # Invalid messages are ignored, as the dashboard expects.
        try:
            message = json.loads(text_data)
            if message.get("type") == "ping":
                await self.send(text_data=json.dumps({"type": "pong", "timestamp": message.get("timestamp")}))
        except (TypeError, ValueError, AttributeError):
            pass

    async def attendance_update(self, event):
        await self.send(text_data=json.dumps({"type": "attendance_update", "data": event["data"]}))
