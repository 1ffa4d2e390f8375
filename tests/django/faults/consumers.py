"""One consumer that does what its messages say, also what no consumer should do."""

import asyncio
import os

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .models import Board, Row


@database_sync_to_async
def write(what: str, who: str = "", code: int = 0) -> None:
    Row.objects.create(what=what, who=who, code=code)


class FaultConsumer(AsyncJsonWebsocketConsumer):
    """`do` of a message names a method; frames are counted over the connection's life."""

    async def connect(self):
        self.room = self.scope["url_route"]["kwargs"]["room"]
        self.who = self.scope["url_route"]["kwargs"]["who"]
        self.count = 0
        if self.who.startswith("never"):
            await asyncio.sleep(3600)
        self.board, _ = await Board.objects.aget_or_create(name=self.room)
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()
        if self.who.startswith("welcome"):
            await self.do_flood({"frames": 30, "size": 100_000})

    async def disconnect(self, code):
        await write("disconnect", self.who, code)

    async def receive_json(self, content):
        self.count += 1
        await getattr(self, f"do_{content['do']}")(content)

    async def told(self, event):
        await self.send_json({"told": event["n"]})

    async def do_echo(self, content):
        await self.send_json({"echo": content["n"], "count": self.count})

    async def do_process(self, content):
        await self.send_json({"pid": os.getpid()})

    async def do_board(self, content):
        await self.send_json({"board": self.board.name, "fields": sorted(f.name for f in self.board._meta.fields)})

    async def do_tell(self, content):
        await self.channel_layer.group_send(self.room, {"type": "told", "n": content["n"]})

    async def do_leave(self, content):
        await self.channel_layer.group_send(self.room, {"type": "told", "n": content["n"]})
        await self.channel_layer.group_discard(self.room, self.channel_name)
        await self.send_json({"left": True})

    async def do_sleep(self, content):
        await asyncio.sleep(content["seconds"])
        await self.send_json({"slept": True})

    async def do_wait(self, content):
        await self.until_go()
        await self.send_json({"waited": True})

    async def until_go(self):
        while not await Row.objects.filter(what="go", who=self.room).aexists():  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def do_stream(self, content):
        for n in range(content["frames"]):
            await self.send_json({"frame": n})
            await asyncio.sleep(0.02)

    async def do_write_and_hang(self, content):
        await write("written", self.who)
        await self.send_json({"written": True})
        await asyncio.sleep(3600)

    async def do_tell_later(self, content):
        await self.send_json({"begun": True})
        await self.until_go()
        await self.channel_layer.group_send(self.room, {"type": "told", "n": content["n"]})
        await self.send_json({"done": True})

    async def do_flood(self, content):
        for n in range(content["frames"]):
            await self.send(text_data=f"{n}:{'x' * content['size']}")

    async def do_grow(self, content):
        self.blob = os.urandom(content["size"]).hex()

    async def do_fail(self, content):
        raise ValueError("a secret of the server\nin two lines")
