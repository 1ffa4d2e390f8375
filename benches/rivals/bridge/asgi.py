"""The application for Daphne and uvicorn, and the same application with the bridge around it."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django_application = get_asgi_application()

from channelgate import bridge  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from chat.consumers import Echo, Journal, Lobby, Room  # noqa: E402
from django.urls import path  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": AuthMiddlewareStack(
            URLRouter(
                [
                    path("ws/echo/", Echo.as_asgi()),
                    path("ws/journal/", Journal.as_asgi()),
                    path("ws/room/<str:name>/", Room.as_asgi()),
                    path("ws/lobby/<str:name>/", Lobby.as_asgi()),
                ]
            )
        ),
    }
)
bridged = bridge(application)
