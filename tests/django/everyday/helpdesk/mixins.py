from channels.exceptions import DenyConnection


class LoginRequiredMixin:
    async def connect(self):
        if not self.scope["user"].is_authenticated:
            raise DenyConnection()
        await super().connect()


class StaffRequiredMixin(LoginRequiredMixin):
    async def connect(self):
        if not getattr(self.scope["user"], "is_staff", False):
            raise DenyConnection()
        await super().connect()


class GroupsMixin:
    """Joins what `get_groups()` names."""

    async def connect(self):
        self.joined = await self.get_groups()
        for group in self.joined:
            await self.channel_layer.group_add(group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        for group in getattr(self, "joined", []):
            await self.channel_layer.group_discard(group, self.channel_name)


class ActionsMixin:
    """`{"action": "comment", …}` calls the method of this name in `actions`."""

    actions = {}

    async def receive_json(self, content):
        name = self.actions.get(content.pop("action", None))
        if name is None:
            await self.reply("error", {"detail": "unknown action", "actions": sorted(self.actions)})
            return
        await getattr(self, name)(content)

    async def reply(self, kind, data):
        await self.send_json({"type": kind, "data": data})
