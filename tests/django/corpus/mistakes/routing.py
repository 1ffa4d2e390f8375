from django.urls import path

from . import consumers

websocket_urlpatterns = [
    path("ws/mistakes/raises/<str:where>/", consumers.RaisesConsumer.as_asgi()),
    path("ws/mistakes/sync/<str:where>/", consumers.SyncRaisesConsumer.as_asgi()),
    path("ws/mistakes/exceptions/<str:what>/", consumers.ExceptionsConsumer.as_asgi()),
    path("ws/mistakes/never/", consumers.NeverAnswersConsumer.as_asgi()),
    path("ws/mistakes/closer/<str:how>/", consumers.CloserConsumer.as_asgi()),
    path("ws/mistakes/bad/", consumers.BadMessagesConsumer.as_asgi()),
    path("ws/mistakes/unknown/", consumers.UnknownEventConsumer.as_asgi()),
    path("ws/mistakes/early/", consumers.SendsFirstConsumer.as_asgi()),
    path("ws/mistakes/narrow/", consumers.NarrowReceiveConsumer.as_asgi()),
    path("ws/mistakes/default/", consumers.DefaultConsumer.as_asgi()),
    path("ws/mistakes/default-json/", consumers.DefaultJsonConsumer.as_asgi()),
]
