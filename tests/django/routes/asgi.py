"""Consumers that say what Django's routes and Channels' accept() made of a handshake: the oracle for both."""

import json
import os

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

#: Each route is below a path of its own, `/r0/` and so on.
ROUTES = [
    "<int:id>/",
    "<str:name>/",
    "<slug:name>/",
    "<uuid:id>/",
    "<path:rest>",
    "<int:a>-<int:b>/",
    "<a>/<path:b>/x/",
    "x<str:a>.<str:b>/",
]
#: The application's subprotocols, the preferred first.
SUBPROTOCOLS = ["chat.v2", "chat.v1"]


class RouteConsumer(AsyncWebsocketConsumer):
    async def connect(self):
        offered = self.scope["subprotocols"]
        await self.accept(subprotocol=next((name for name in SUBPROTOCOLS if name in offered), None))
        kwargs = self.scope["url_route"]["kwargs"]
        await self.send(json.dumps(kwargs, default=str))


class NoConsumer(AsyncWebsocketConsumer):
    async def connect(self):
        await self.close()


if "DJANGO_SETTINGS_MODULE" in os.environ:
    application = ProtocolTypeRouter(
        {
            "http": get_asgi_application(),
            "websocket": URLRouter(
                [path(f"r{index}/{route}", RouteConsumer.as_asgi()) for index, route in enumerate(ROUTES)]
                + [path("a/", RouteConsumer.as_asgi()), path("b/<int:id>/", RouteConsumer.as_asgi())]
                # Without a route Daphne answers after its own timeout.
                + [path("<path:other>", NoConsumer.as_asgi())]
            ),
        }
    )
