"""A poll whose results Python computes. Each call of a handler is a line in a file, so that a test can count them."""

import asyncio
from collections import Counter
from pathlib import Path

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import get_user_model

#: How many events each connection has got of those that come too often.
rare = Counter()


class PollConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.room = self.scope["url_route"]["kwargs"]["room"]
        self.user = self.scope["user"]
        self.seen = 0
        for group in (f"poll_{self.room}", "polls"):
            await self.channel_layer.group_add(group, self.channel_name)
        await self.accept()

    async def receive_json(self, content, **kwargs):
        """Is busy until a file is there, or only answers."""
        while (name := content.get("busy_until")) and not Path(name).exists():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await self.send_json({"heard": content["n"]})

    def _called(self):
        with Path("calls.txt").open("a") as file:
            file.write("call\n")

    async def tick(self, event):
        """The configuration has this one, too."""
        await self.send_json({"tick": event["n"]})

    async def poll_results(self, event):
        """The same for everybody: two frames, with a query between them."""
        self._called()
        await self.send_json({"computing": event["n"]})
        count = await database_sync_to_async(get_user_model().objects.count)()
        await self.send_json({"users": count})
        await self.channel_layer.group_send("poll_log", {"type": "logged", "n": event["n"]})

    async def poll_room(self, event):
        self._called()
        await self.send_json({"room": self.room})

    async def poll_mine(self, event):
        self._called()
        await self.send_json({"user": self.user.username, "n": event["n"]})

    async def poll_each(self, event):
        """Changes the consumer."""
        self._called()
        self.seen += 1
        await self.send_json({"seen": self.seen})

    async def poll_move(self, event):
        """Changes the groups of the connection."""
        self._called()
        await self.channel_layer.group_discard(f"poll_{self.room}", self.channel_name)
        await self.channel_layer.group_add("poll_moved", self.channel_name)
        await self.channel_layer.send(self.channel_name, {"type": "tick", "n": "to itself"})
        await self.send_json("moved")

    async def poll_rare(self, event):
        """At most one for each connection."""
        await self._at_most(1, event)

    async def poll_rarely(self, event):
        await self._at_most(2, event)

    async def _at_most(self, number, event):
        self._called()
        rare[self.channel_name] += 1
        if rare[self.channel_name] <= number:
            await self.send_json({"rare": event["n"]})

    async def poll_over(self, event):
        self._called()
        await self.send_json("over")
        await self.close(4001)
