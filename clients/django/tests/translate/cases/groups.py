from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import URLRouter
from django.urls import path

PREFIX = "board"


def user_group(user_id):
    return f"user_{user_id}"


def pair(one, other):
    first, second = sorted([one, other])
    return "dm_{}_{}".format(first, second)


class Names(AsyncJsonWebsocketConsumer):
    kind = "page"

    async def connect(self):
        kwargs = self.scope["url_route"]["kwargs"]
        user = self.scope["user"]
        if user.is_anonymous:
            await self.close()
            return
        self.slug = kwargs.get("slug")
        self.number = kwargs["number"]
        self.group = self.kind + "_" + self.slug
        for name in (
            self.group,
            "percent_%s" % self.number,
            "format_{}".format(user.pk),
            f"{PREFIX}_{self.number}",
            user_group(user.id),
            pair(user.id, self.number),
            f"name_{user.username}",
            "fixed",
        ):
            await self.channel_layer.group_add(name, self.channel_name)
        if user.is_staff:
            await self.channel_layer.group_add("staff", self.channel_name)
        await self.accept()

    async def told(self, event):
        await self.send_json({"name": event["name"]})


class OfClass(AsyncJsonWebsocketConsumer):
    groups = ["broadcast", "sports"]

    async def told(self, event):
        await self.send_json({"name": event["name"]})


class Chosen(AsyncJsonWebsocketConsumer):
    """The client names the whole group: only Python may do that."""

    async def connect(self):
        await self.channel_layer.group_add(self.scope["url_route"]["kwargs"]["slug"], self.channel_name)
        await self.accept()


class Foreign(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("foreign", self.scope["other_channel"])
        await self.accept()


class SideBySide(AsyncJsonWebsocketConsumer):
    async def connect(self):
        kwargs = self.scope["url_route"]["kwargs"]
        await self.channel_layer.group_add(f"x_{kwargs['slug']}{kwargs['number']}", self.channel_name)
        await self.accept()


class Branch(AsyncJsonWebsocketConsumer):
    """The second group depends on what the node cannot put into one condition."""

    async def connect(self):
        kwargs = self.scope["url_route"]["kwargs"]
        if kwargs["number"] > 100:
            await self.channel_layer.group_add(f"large_{kwargs['number']}", self.channel_name)
        await self.accept()


ROUTES = [
    path("names/<slug:slug>/<int:number>/", Names.as_asgi()),
    path("of-class/", OfClass.as_asgi()),
    path("chosen/<slug:slug>/", Chosen.as_asgi()),
    path("foreign/", Foreign.as_asgi()),
    path("side/<slug:slug>/<int:number>/", SideBySide.as_asgi()),
    path("branch/<int:number>/", Branch.as_asgi()),
]

application = AuthMiddlewareStack(URLRouter(ROUTES))
