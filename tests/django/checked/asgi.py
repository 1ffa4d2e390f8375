"""What Daphne serves."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "checked.settings")
http = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from checked.consumers import ChatConsumer, OrderConsumer, PriceConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(
                URLRouter(
                    [
                        path("ws/orders/<int:pk>/", OrderConsumer.as_asgi()),
                        re_path(r"^ws/prices/(?P<symbol>[-\w]+)/$", PriceConsumer.as_asgi()),
                        path(
                            "ws/",
                            URLRouter([path("news/", PriceConsumer.as_asgi()), path("chat/", ChatConsumer.as_asgi())]),
                        ),
                    ]
                )
            )
        ),
    }
)
