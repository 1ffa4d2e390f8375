from django.urls import path

from . import consumers

websocket_urlpatterns = [
    path("heartbeat/", consumers.HeartbeatConsumer.as_asgi()),
    path("later/", consumers.LaterLoopConsumer.as_asgi()),
    path("thread/", consumers.ThreadConsumer.as_asgi()),
    path("file/", consumers.FileConsumer.as_asgi()),
    path("event/", consumers.EventConsumer.as_asgi()),
    path("generator/", consumers.GeneratorConsumer.as_asgi()),
    path("pong/<str:room>/", consumers.PongConsumer.as_asgi()),
    path("big/", consumers.BigConsumer.as_asgi()),
    path("endless/", consumers.EndlessConsumer.as_asgi()),
    path("waiting/", consumers.WaitingConsumer.as_asgi()),
    path("streams/", consumers.StreamsConsumer.as_asgi()),
    path("plain/", consumers.plain),
]
