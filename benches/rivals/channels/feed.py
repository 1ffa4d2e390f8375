"""A Django Channels site with one consumer, as in the Channels tutorial, for Daphne and uvicorn."""

import os

import django
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import path

BACKENDS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}

settings.configure(
    SECRET_KEY="of a benchmark on loopback",
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["channels"],
    ROOT_URLCONF=(),
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": BACKENDS[os.environ["LAYER"]],
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
        }
    },
)
django.setup()


class Feed(AsyncJsonWebsocketConsumer):
    """The group of all clients, or the group named in the path."""

    async def connect(self):
        number = self.scope["url_route"]["kwargs"].get("number")
        self.group = "broadcast" if number is None else f"group_{number}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def send_event(self, event):
        await self.send_json({"event": event["event"], "data": event["data"]})


application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("ws/", Feed.as_asgi()), path("group/<int:number>/", Feed.as_asgi())]),
    }
)

__all__ = ["application", "get_channel_layer"]
