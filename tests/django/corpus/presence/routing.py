from django.urls import path

from . import consumers

websocket_urlpatterns = [
    path("ws/presence/online/", consumers.OnlineConsumer.as_asgi()),
    path("ws/presence/direct/", consumers.DirectConsumer.as_asgi()),
    path("ws/presence/viewers/<slug:page>/", consumers.ViewersConsumer.as_asgi()),
    path("ws/presence/lobby/", consumers.LobbyConsumer.as_asgi()),
    path("ws/presence/moderated/<slug:room>/", consumers.ModeratedRoomConsumer.as_asgi()),
    path("ws/presence/self/", consumers.SelfSenderConsumer.as_asgi()),
    path("ws/presence/qr/<str:code>/", consumers.QrLoginConsumer.as_asgi()),
    path("ws/presence/greeter/<str:room>/", consumers.GreeterConsumer.as_asgi()),
]
