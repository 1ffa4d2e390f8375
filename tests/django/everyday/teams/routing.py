from django.urls import path

from . import consumers

websocket_urlpatterns = [path("ws/teams/", consumers.TeamConsumer.as_asgi())]
