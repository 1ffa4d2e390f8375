"""The consumer under Daphne, and for nodes that run its `connect` and `receive`."""

from channelgate import bridge
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from conditions.consumers import ConditionsConsumer, LateConsumer
from corpus.asgi import django_application

routes = [
    path("ws/conditions/<str:room>/", ConditionsConsumer.as_asgi()),
    path("ws/late/<str:room>/", LateConsumer.as_asgi()),
]
application = bridge(
    ProtocolTypeRouter({"http": django_application, "websocket": AuthMiddlewareStack(URLRouter(routes))})
)
