from django.urls import path

from . import consumers

websocket_urlpatterns = [
    path("ws/streams/assistant/", consumers.AssistantConsumer.as_asgi()),
    path("ws/streams/progress/<str:job>/", consumers.ProgressConsumer.as_asgi()),
    path("ws/streams/sync/", consumers.SyncStreamConsumer.as_asgi()),
    path("ws/streams/upload/", consumers.UploadConsumer.as_asgi()),
    path("ws/streams/echo/", consumers.EchoConsumer.as_asgi()),
    path("ws/streams/raw/", consumers.RawSyncEchoConsumer.as_asgi()),
    path("ws/streams/gather/", consumers.GatherConsumer.as_asgi()),
    path("ws/streams/task/", consumers.ShortTaskConsumer.as_asgi()),
    path("ws/streams/rate/", consumers.RateConsumer.as_asgi()),
    path("ws/streams/mixed/", consumers.MixedFramesConsumer.as_asgi()),
    path("ws/streams/batch/", consumers.ThreadedDatabaseConsumer.as_asgi()),
]
