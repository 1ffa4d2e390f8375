from django.urls import path, re_path

from . import consumers

websocket_urlpatterns = [
    path("ws/states/types/", consumers.TypesConsumer.as_asgi()),
    path("ws/states/models/", consumers.ModelsConsumer.as_asgi()),
    path("ws/states/game/", consumers.GameConsumer.as_asgi()),
    path("ws/states/table/", consumers.TableConsumer.as_asgi()),
    path("ws/states/configured/short/", consumers.ConfiguredConsumer.as_asgi(limit=1, label="short")),
    path("ws/states/configured/long/", consumers.ConfiguredConsumer.as_asgi(limit=3, label="long")),
    path("ws/states/configured/loud/", consumers.LoudConfiguredConsumer.as_asgi(prefix="?")),
    path("ws/states/dispatch/", consumers.DispatchConsumer.as_asgi()),
    path("ws/states/watch/", consumers.WatchConsumer.as_asgi()),
    path("ws/states/module/<str:room>/", consumers.ModuleDictConsumer.as_asgi()),
]

team_urlpatterns = [
    path("", consumers.TeamConsumer.as_asgi()),
    re_path(r"^channels/(?P<channel>\w+)/$", consumers.TeamChannelConsumer.as_asgi()),
]
