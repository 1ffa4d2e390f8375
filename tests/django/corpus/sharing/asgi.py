"""Django over HTTP, and the one consumer."""

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.urls import path

from corpus.asgi import django_application

from .consumers import PollConsumer

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter([path("ws/poll/<int:room>/", PollConsumer.as_asgi())]))
        ),
    }
)

if settings.BRIDGE:
    from channelgate import bridge

    application = bridge(application)
