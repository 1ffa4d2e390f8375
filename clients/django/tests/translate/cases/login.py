from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.contrib.auth.models import AnonymousUser
from django.urls import path


class Authenticated(AsyncJsonWebsocketConsumer):
    async def connect(self):
        if not self.scope["user"].is_authenticated:
            await self.close(code=4401)
            return
        await self.accept()


class Anonymous(AsyncJsonWebsocketConsumer):
    async def connect(self):
        user = self.scope.get("user")
        if user is None or user.is_anonymous:
            await self.close()
        else:
            await self.accept()


class OfClass(AsyncJsonWebsocketConsumer):
    async def connect(self):
        if isinstance(self.scope["user"], AnonymousUser):
            return await self.close()
        return await self.accept()


class Equal(AsyncJsonWebsocketConsumer):
    async def connect(self):
        if self.scope["user"] == AnonymousUser() or self.scope["user"].id is None:
            await self.close()
            return
        await self.accept()


class AfterAccept(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.accept()
        if not self.scope["user"].is_authenticated:
            await self.close(code=4401)


class Synchronous(JsonWebsocketConsumer):
    def connect(self):
        self.user = self.scope["user"]
        if self.user.is_authenticated:
            self.accept()


class Staff(AsyncJsonWebsocketConsumer):
    async def connect(self):
        user = self.scope["user"]
        if not user.is_authenticated or not user.is_staff:
            await self.close()
            return
        await self.accept()


class StaffAfterAccept(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.accept()
        if not self.scope["user"].is_authenticated:
            await self.close(code=4401)
            return
        if not self.scope["user"].is_staff:
            await self.close(code=4403)


class Own(AsyncJsonWebsocketConsumer):
    """The user of the path has to be the one who is logged in."""

    async def connect(self):
        user = self.scope["user"]
        if user.is_anonymous or str(user.id) != str(self.scope["url_route"]["kwargs"]["pk"]):
            await self.close()
            return
        await self.accept()


class Optional(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.user = self.scope["user"]
        await self.channel_layer.group_add("news", self.channel_name)
        if self.user.is_superuser:
            await self.channel_layer.group_add("admins", self.channel_name)
        await self.accept()

    async def news_item(self, event):
        if event["author"] != self.user.id:
            await self.send_json({"text": event["text"]})


class WithFrame(AsyncJsonWebsocketConsumer):
    """What it sends to those whom it refuses stays in Python."""

    async def connect(self):
        await self.accept()
        if not self.scope["user"].is_authenticated:
            await self.send_json({"error": "log in"})
            await self.close(code=4401)


class Base:
    async def connect(self):
        if await self.may_enter():
            await self.accept()
        else:
            await self.close()

    async def may_enter(self):
        return self.scope["user"].is_authenticated


class Mixin(Base, AsyncJsonWebsocketConsumer):
    async def connect(self):
        await super().connect()
        await self.channel_layer.group_add("mixed", self.channel_name)


class Chained(Base, AsyncJsonWebsocketConsumer):
    pass


ROUTES = [
    path("authenticated/", Authenticated.as_asgi()),
    path("anonymous/", Anonymous.as_asgi()),
    path("of-class/", OfClass.as_asgi()),
    path("equal/", Equal.as_asgi()),
    path("after-accept/", AfterAccept.as_asgi()),
    path("synchronous/", Synchronous.as_asgi()),
    path("staff/", Staff.as_asgi()),
    path("staff-after-accept/", StaffAfterAccept.as_asgi()),
    path("own/<int:pk>/", Own.as_asgi()),
    path("optional/", Optional.as_asgi()),
    path("with-frame/", WithFrame.as_asgi()),
    path("mixin/", Mixin.as_asgi()),
    path("chained/", Chained.as_asgi()),
]

application = ProtocolTypeRouter(
    {"websocket": OriginValidator(AuthMiddlewareStack(URLRouter(ROUTES)), ["https://example.com"])}
)
