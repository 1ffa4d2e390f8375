"""Consumers that say who their client is."""

from channels.auth import login, logout
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import get_user_model


class WhoConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.tell()

    async def receive_json(self, content):
        if content.get("login"):
            user = await database_sync_to_async(get_user_model().objects.get)(username=content["login"])
            await login(self.scope, user, "django.contrib.auth.backends.ModelBackend")
            self.scope["user"] = user
        if content.get("logout"):
            await logout(self.scope)
        await self.tell()

    async def tell(self):
        user = self.scope["user"]
        await self.send_json({"name": user.username or None})
