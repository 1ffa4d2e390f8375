from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer


class TeamConsumer(AsyncJsonWebsocketConsumer):
    """A user hears all teams of hers, and mutes some."""

    async def connect(self):
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            await self.close(code=4001)
            return
        self.team_ids = await sync_to_async(list)(self.user.teams.order_by("pk").values_list("pk", flat=True))
        self.muted = set()
        await self.channel_layer.group_add(f"team_user_{self.user.pk}", self.channel_name)
        for pk in self.team_ids:
            await self.channel_layer.group_add(f"team_{pk}", self.channel_name)
        await self.accept()
        await self.send_json({"op": "ready", "teams": self.team_ids})

    async def disconnect(self, code):
        if self.user.is_authenticated:
            await self.channel_layer.group_discard(f"team_user_{self.user.pk}", self.channel_name)
            for pk in self.team_ids:
                await self.channel_layer.group_discard(f"team_{pk}", self.channel_name)

    async def receive_json(self, content):
        handlers = {"mute": self.mute, "unmute": self.unmute, "wave": self.wave}
        handler = handlers.get(content.get("op"))
        if handler and content.get("team") in self.team_ids:
            await handler(content["team"])
        else:
            await self.send_json({"op": "denied", "of": content.get("op")})

    async def mute(self, team):
        self.muted.add(team)
        await self.channel_layer.group_discard(f"team_{team}", self.channel_name)
        await self.send_json({"op": "muted", "teams": sorted(self.muted)})

    async def unmute(self, team):
        self.muted.discard(team)
        await self.channel_layer.group_add(f"team_{team}", self.channel_name)
        await self.send_json({"op": "muted", "teams": sorted(self.muted)})

    async def wave(self, team):
        await self.channel_layer.group_send(
            f"team_{team}", {"type": "team.wave", "team": team, "user_id": self.user.pk, "name": self.user.username}
        )

    async def team_wave(self, event):
        # Everybody but who waves.
        if event["user_id"] == self.user.pk:
            return
        await self.send_json({"op": "wave", "team": event["team"], "name": event["name"]})

    async def team_post(self, event):
        if "only" in event and self.user.pk not in event["only"]:
            return
        await self.send_json({"op": event["op"], "post": event["post"]})
