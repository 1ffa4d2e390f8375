import json

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from .models import Message, Room


class ChatConsumer(AsyncWebsocketConsumer):
    async def connect(self):
        self.room_name = self.scope["url_route"]["kwargs"]["room_name"]
        self.room_group_name = "chat_" + self.room_name
        if not self.scope["user"].is_authenticated:
            await self.close()
            return

        # Join room group
        await self.channel_layer.group_add(self.room_group_name, self.channel_name)
        await self.accept()
        for message in await self.history():
            await self.send(text_data=json.dumps(message))
        await self.channel_layer.group_send(
            self.room_group_name, {"type": "user_join", "username": self.scope["user"].username}
        )

    async def disconnect(self, close_code):
        # Leave room group
        await self.channel_layer.group_discard(self.room_group_name, self.channel_name)
        if self.scope["user"].is_authenticated:
            await self.channel_layer.group_send(
                self.room_group_name, {"type": "user_leave", "username": self.scope["user"].username}
            )

    # Receive message from WebSocket
    async def receive(self, text_data):
        text_data_json = json.loads(text_data)
        message_type = text_data_json.get("type", "message")
        username = self.scope["user"].username
        if message_type == "message":
            message = await self.save_message(text_data_json["message"])
            await self.channel_layer.group_send(self.room_group_name, {"type": "chat_message", **message})
        elif message_type == "typing":
            await self.channel_layer.group_send(
                self.room_group_name,
                {"type": "typing", "username": username, "sender_channel_name": self.channel_name},
            )
        else:
            await self.send(text_data=json.dumps({"type": "error", "message": "Unknown message type"}))

    async def chat_message(self, event):
        await self.send(
            text_data=json.dumps(
                {
                    "type": "message",
                    "id": event["id"],
                    "message": event["message"],
                    "username": event["username"],
                    "timestamp": event["timestamp"],
                }
            )
        )

    async def typing(self, event):
        if self.channel_name != event["sender_channel_name"]:
            await self.send(text_data=json.dumps({"type": "typing", "username": event["username"]}))

    async def user_join(self, event):
        await self.send(text_data=json.dumps({"type": "join", "username": event["username"]}))

    async def user_leave(self, event):
        await self.send(text_data=json.dumps({"type": "leave", "username": event["username"]}))

    async def message_edited(self, event):
        await self.send(text_data=json.dumps(event))

    async def message_removed(self, event):
        await self.send(text_data=json.dumps({"type": "message_removed", "id": event["id"]}))

    @database_sync_to_async
    def save_message(self, content):
        room, _ = Room.objects.get_or_create(name=self.room_name)
        message = Message.objects.create(room=room, user=self.scope["user"], content=content)
        return {
            "id": message.id,
            "message": message.content,
            "username": message.user.username,
            "timestamp": message.timestamp.strftime("%H:%M"),
        }

    @database_sync_to_async
    def history(self):
        messages = Message.objects.filter(room__name=self.room_name).select_related("user").order_by("-id")[:3]
        return [
            {
                "type": "history",
                "id": message.id,
                "message": message.content,
                "username": message.user.username,
                "timestamp": message.timestamp.strftime("%H:%M"),
            }
            for message in reversed(messages)
        ]
