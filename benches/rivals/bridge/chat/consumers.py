"""The measured consumers, unmodified for either way of running them."""

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from chat.models import Message


class Echo(AsyncWebsocketConsumer):
    """The least that a message can cost."""

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data)


class Journal(AsyncWebsocketConsumer):
    """Writes each message to the database, and answers."""

    async def receive(self, text_data=None, bytes_data=None):
        await self.write(text_data)
        await self.send(text_data=text_data)

    @database_sync_to_async
    def write(self, text):
        Message.objects.create(user=self.scope["user"], text=text)


class Lobby(AsyncWebsocketConsumer):
    """A chat room, as in the tutorial of Channels."""

    async def connect(self):
        self.group = f"room_{self.scope['url_route']['kwargs']['name']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)


class Room(Lobby):
    """The same, for users with a session."""

    async def connect(self):
        if self.scope["user"].is_authenticated:
            await super().connect()
        else:
            await self.close()
