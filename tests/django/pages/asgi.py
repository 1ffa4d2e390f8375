"""The site and its consumer under an ASGI server, for nodes as well."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pages.settings")
http = get_asgi_application()

from channelgate import bridge  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

from pages.consumers import BoardConsumer  # noqa: E402

routes = URLRouter([path("ws/django/", BoardConsumer.as_asgi())])
application = bridge(ProtocolTypeRouter({"http": http, "websocket": AuthMiddlewareStack(routes)}))
