from django.urls import path

from .consumers import ParcelConsumer

websocket_urlpatterns = [path("ws/delivery/<uuid:tracking>/", ParcelConsumer.as_asgi())]
