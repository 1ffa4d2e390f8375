from django.urls import path

from .consumers import PollConsumer

websocket_urlpatterns = [path("ws/polls/<slug:slug>/", PollConsumer.as_asgi())]
