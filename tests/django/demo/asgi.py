"""What Daphne serves: Django over HTTP, ordinary consumers over WebSocket, and the calls of Channelgate."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")
django_application = get_asgi_application()

# Consumers import models, which exist only after the line above.
from boards.consumers import BoardConsumer  # noqa: E402
from channelgate import bridge  # noqa: E402
from channelgate.worker import GateConsumer  # noqa: E402
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from desks.consumers import DeskConsumer  # noqa: E402
from django.urls import path  # noqa: E402

from accounts.middleware import WsTokenAuthMiddleware  # noqa: E402
from attendance.consumers import AttendanceConsumer  # noqa: E402
from parking.consumers import NotificationConsumer  # noqa: E402
from visitors.consumers import BroadcastConsumer  # noqa: E402

application = bridge(
    ProtocolTypeRouter(
        {
            "http": django_application,
            "websocket": AllowedHostsOriginValidator(
                URLRouter(
                    [
                        path("ws/", BroadcastConsumer.as_asgi()),
                        path("ws/attendance/", AttendanceConsumer.as_asgi()),
                        path("ws/boards/<str:name>/", BoardConsumer.as_asgi()),
                        path("ws/desks/<str:desk>/<str:who>/", DeskConsumer.as_asgi()),
                        path("ws/notifications/", WsTokenAuthMiddleware(NotificationConsumer.as_asgi())),
                    ]
                )
            ),
            # Not Daphne's: `manage.py runworker channelgate`.
            "channel": ChannelNameRouter({"channelgate": GateConsumer.as_asgi()}),
        }
    )
)
