from channels.routing import URLRouter
from django.urls import path

from .consumers import QueueConsumer, TicketConsumer

helpdesk = [
    path("tickets/<int:pk>/", TicketConsumer.as_asgi()),
    path("queue/", QueueConsumer.as_asgi()),
]
websocket_urlpatterns = [path("ws/helpdesk/", URLRouter(helpdesk))]
