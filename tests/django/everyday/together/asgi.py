"""Each path goes to the application of its project."""

import importlib
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "together.settings")
http = get_asgi_application()

from channelgate import bridge  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import re_path  # noqa: E402

from . import NAMES  # noqa: E402


def websocket(name):
    return importlib.import_module(f"{name}.asgi").application.application_mapping["websocket"]


application = ProtocolTypeRouter(
    {
        "http": http,
        # Looked at, and left for the project's own router.
        "websocket": URLRouter([re_path(rf"^(?=ws/{name}/)", websocket(name)) for name in NAMES]),
    }
)
if settings.BRIDGE:
    application = bridge(application)
