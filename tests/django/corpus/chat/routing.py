from django.urls import path, re_path

from . import consumers

websocket_urlpatterns = [
    re_path(r"ws/chat/tutorial/(?P<room_name>\w+)/$", consumers.ChatConsumer.as_asgi()),
    re_path(r"^ws/chat/stored/(?P<room_name>[-\w]+)/?$", consumers.StoredChatConsumer.as_asgi()),
    re_path(r"^ws/chat/commands/(?P<room_name>[^/]+)/$", consumers.CommandChatConsumer.as_asgi()),
    path("ws/chat/private/<str:username>/", consumers.PrivateChatConsumer.as_asgi()),
    path("ws/chat/thread/<str:username>/", consumers.ThreadConsumer.as_asgi()),
    path("ws/chat/moderated/<slug:room_name>/", consumers.ModeratedConsumer.as_asgi()),
    path("ws/chat/typing/<str:room_name>/", consumers.TypingConsumer.as_asgi()),
    path("ws/chat/actions/<slug:room_name>/", consumers.ActionChatConsumer.as_asgi()),
    path("ws/chat/history/<slug:room_name>/", consumers.HistoryConsumer.as_asgi()),
    path("ws/chat/htmx/<slug:room_name>/", consumers.HtmxConsumer.as_asgi()),
]
