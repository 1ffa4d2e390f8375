import time

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class DeskConsumer(AsyncJsonWebsocketConsumer):
    """`/ws/desks/<desk>/<who>/`: events that end a connection, and that move it between groups."""

    async def connect(self):
        self.desk, self.who = (self.scope["url_route"]["kwargs"][name] for name in ("desk", "who"))
        self.told = None
        await self.channel_layer.group_add(f"desk_{self.desk}", self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(f"desk_{self.desk}", self.channel_name)

    async def receive_json(self, content):
        await self.send_json({"at": content["at"]})

    async def desk_said(self, event):
        await self.send_json({"n": event["n"]})

    async def desk_told(self, event):
        """At most once a minute."""
        if self.told is not None and time.monotonic() - self.told < 60:
            return
        self.told = time.monotonic()
        await self.send_json({"told": event["n"]})

    async def desk_closed(self, event):
        await self.send_json({"n": event["n"]})
        await self.close(code=4001, reason=f"{event['why']} at {self.desk}")

    async def desk_ended(self, event):
        await self.close(code=event["code"])

    async def desk_moved(self, event):
        await self.send_json({"n": event["n"]})
        await self.channel_layer.group_discard(f"desk_{event['of']}", self.channel_name)
        await self.channel_layer.group_add(f"desk_{event['to']}", self.channel_name)

    async def desk_paired(self, event):
        await self.channel_layer.group_add(f"desk_{event['with']}_{self.who}", self.channel_name)
        await self.send_json({"n": event["n"]})

    async def desk_left(self, event):
        await self.send_json({"n": event["n"]})
        await self.channel_layer.group_discard(f"desk_{self.desk}", self.channel_name)
