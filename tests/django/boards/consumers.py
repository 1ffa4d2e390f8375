import asyncio
import json
import urllib.request

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings


def items_of(board: str) -> list:
    """The state of a board, from the service that has it."""
    body = json.dumps({"action": "snapshot", "data": board}).encode()
    with urllib.request.urlopen(urllib.request.Request(settings.BOARDS_URL, body, method="POST"), timeout=30) as answer:
        return json.load(answer)


class BoardConsumer(AsyncJsonWebsocketConsumer):
    """`/ws/boards/<name>/`: the board's items, then its events; a client can open further boards."""

    async def connect(self):
        await self.accept()
        await self.open(self.scope["url_route"]["kwargs"]["name"])

    async def receive_json(self, content):
        if content.get("type") == "open":
            await self.open(content["board"])

    async def open(self, board: str):
        await self.channel_layer.group_add(f"board_{board}", self.channel_name)
        await self.send_json({"board": board, "items": await asyncio.to_thread(items_of, board)})

    async def board_event(self, event):
        await self.send_json({"n": event["n"]})
