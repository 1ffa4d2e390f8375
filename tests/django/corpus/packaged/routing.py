from django.urls import path

from . import consumers
from .chanx_consumers import TypedConsumer

websocket_urlpatterns = [
    path("ws/packaged/projects/", consumers.ProjectConsumer.as_asgi()),
    path("ws/packaged/todos/", consumers.TodoConsumer.as_asgi()),
    path("ws/packaged/feed/", consumers.TodoFeedConsumer.as_asgi()),
    path("ws/packaged/rpc/", consumers.CalculatorConsumer.as_asgi()),
    path("ws/packaged/typed/", TypedConsumer.as_asgi()),
]
