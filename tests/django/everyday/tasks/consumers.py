from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import AccessToken

from .models import Task
from .serializers import TaskSerializer


class TaskConsumer(AsyncJsonWebsocketConsumer):
    """The token is read here, without a middleware."""

    async def connect(self):
        params = parse_qs(self.scope["query_string"].decode("utf8"))
        self.user = await self.authenticate(params.get("token", [""])[0])
        if not self.user:
            await self.close(code=4001)
            return
        self.group_name = f"user_{self.user.pk}_tasks"
        await self.channel_layer.group_add(self.group_name, self.channel_name)
        await self.accept()
        await self.send_json({"event": "connection_established", "user": self.user.username})

    async def disconnect(self, close_code):
        if self.user:
            await self.channel_layer.group_discard(self.group_name, self.channel_name)

    async def receive_json(self, content):
        match content:
            case {"action": "create", "title": str(title)}:
                task = await Task.objects.acreate(owner=self.user, title=title)
                await self.send_json({"event": "ack", "id": task.pk})
            case {"action": "toggle", "id": int(pk)}:
                await self.toggle(pk)
            case {"action": "list"}:
                await self.send_json({"event": "tasks", "tasks": await self.tasks()})
            case {"action": "close"}:
                await self.close(code=4000)
            case {"action": action}:
                await self.send_json({"event": "error", "detail": f"cannot {action}"})
            case _:
                await self.send_json({"event": "error", "detail": "no action"})

    async def task_event(self, event):
        await self.send_json(event["payload"])

    @database_sync_to_async
    def authenticate(self, token):
        try:
            return get_user_model().objects.filter(pk=AccessToken(token)["user_id"], is_active=True).first()
        except (InvalidToken, TokenError):
            return None

    @database_sync_to_async
    def toggle(self, pk):
        task = self.user.tasks.get(pk=pk)
        task.done = not task.done
        task.save()

    @database_sync_to_async
    def tasks(self):
        return TaskSerializer(self.user.tasks.order_by("-pk")[:2], many=True).data
