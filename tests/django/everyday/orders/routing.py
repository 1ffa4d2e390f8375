from django.urls import path

from . import consumers

websocket_urlpatterns = [
    path("ws/orders/<int:order_id>/", consumers.OrderConsumer.as_asgi()),
    path("ws/orders/", consumers.OrderListConsumer.as_asgi()),
]
