from django.urls import path

from .consumers import StaffFeedConsumer

websocket_urlpatterns = [path("ws/feed/", StaffFeedConsumer.as_asgi())]
