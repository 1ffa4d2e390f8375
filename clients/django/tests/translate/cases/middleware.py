from urllib.parse import parse_qs

from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.middleware import BaseMiddleware
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator, OriginValidator
from channels.sessions import SessionMiddlewareStack
from django.contrib.auth.models import AnonymousUser, User
from django.urls import path


class TokenMiddleware(BaseMiddleware):
    """It looks for the user, and for whether the account is open: `auth = ["jwt"]` would admit more."""

    async def __call__(self, scope, receive, send):
        token = parse_qs(scope["query_string"].decode()).get("token", [""])[0]
        user = await User.objects.filter(username=token, is_active=True).afirst()
        scope["user"] = user or AnonymousUser()
        return await super().__call__(scope, receive, send)


def logged(inner):
    async def application(scope, receive, send):
        return await inner(scope, receive, send)

    return application


class Feed(AsyncJsonWebsocketConsumer):
    async def connect(self):
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close()
            return
        await self.channel_layer.group_add(f"feed_{user.id}", self.channel_name)
        await self.accept()

    async def item(self, event):
        await self.send_json({"item": event["item"], "by": event["by"]})

    async def mine(self, event):
        if event["to"] == self.scope["user"].id:
            await self.send_json({"item": event["item"]})


def feed(name):
    return path(f"{name}/", Feed.as_asgi())


application = URLRouter(
    [
        path("token/", TokenMiddleware(Feed.as_asgi())),
        path("both/", URLRouter([path("x/", AuthMiddlewareStack(TokenMiddleware(Feed.as_asgi())))])),
        path("function/", logged(AuthMiddlewareStack(Feed.as_asgi()))),
        path("session/", SessionMiddlewareStack(Feed.as_asgi())),
        path("none/", Feed.as_asgi()),
        path(
            "origin/", OriginValidator(AuthMiddlewareStack(Feed.as_asgi()), ["https://a.example", "https://b.example"])
        ),
        path("hosts/", AllowedHostsOriginValidator(AuthMiddlewareStack(Feed.as_asgi()))),
        path("other/", OriginValidator(AuthMiddlewareStack(Feed.as_asgi()), ["https://b.example"])),
    ]
)
