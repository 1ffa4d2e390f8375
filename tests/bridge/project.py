"""A project of Channels for tests/bridge/python.rs: served by Daphne, or by a WSGI server of HTTP/1.0."""

import asyncio
import socketserver
import sys
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings

import django

settings.configure(
    SECRET_KEY="only for this test, and as long as Django wants it to be",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    ASGI_APPLICATION="__main__.application",
    INSTALLED_APPS=["channels", "channelgate"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    CHANNELGATE={"SECRET": "the secret of node and Django"},
)
django.setup()

from channelgate import bridge  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.urls import include, path  # noqa: E402


class Room(AsyncWebsocketConsumer):
    """Counts what it is sent."""

    async def connect(self) -> None:
        self.group = f"room.{self.scope['url_route']['kwargs']['room']}"
        self.count = 0
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept("v2")
        await self.send(text_data="hello")

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.count += 1
        if text_data == "fail":
            raise KeyError("room")
        if text_data == "stream":
            for number in range(3):
                await self.send(text_data=f"part {number}")
                await asyncio.sleep(0.05)
        if bytes_data is not None:
            await self.send(bytes_data=bytes_data[::-1])
        await self.channel_layer.group_send(self.group, {"type": "room.message", "blob": b"\0", "count": self.count})

    async def room_message(self, event: dict[str, Any]) -> None:
        await self.send(text_data=f"{event['count']} of {self.count}")

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_send(self.group, {"type": "room.message", "left": code, "count": self.count})


routes = URLRouter([path("ws/room/<int:room>/", Room.as_asgi())])
application = bridge(ProtocolTypeRouter({"http": ASGIHandler(), "websocket": routes}))
urlpatterns = [path("channelgate/", include("channelgate.urls"))]


class Handler(WSGIRequestHandler):
    """Says nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class Threaded(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each request."""

    daemon_threads = True


def serve_wsgi(port: int) -> None:
    """Serves the project over HTTP/1.0, without chunks."""
    with make_server("127.0.0.1", port, WSGIHandler(), server_class=Threaded, handler_class=Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


def serve_asgi(port: int) -> None:
    """Serves the project with Daphne."""
    from daphne.server import Server

    def ready() -> None:
        print(server.listening_addresses[0][1], flush=True)

    server = Server(application, endpoints=[f"tcp:port={port}:interface=127.0.0.1"], ready_callable=ready)
    server.run()


if __name__ == "__main__":
    {"asgi": serve_asgi, "wsgi": serve_wsgi}[sys.argv[1]](int(sys.argv[2]))
