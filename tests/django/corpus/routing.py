"""All routes; each app has its own list, as projects keep them."""

from channels.routing import URLRouter
from django.urls import path, re_path

from corpus.chat.routing import websocket_urlpatterns as chat
from corpus.hopeless.routing import websocket_urlpatterns as hopeless
from corpus.identity.routing import websocket_urlpatterns as identity
from corpus.mistakes.routing import websocket_urlpatterns as mistakes
from corpus.notify.routing import websocket_urlpatterns as notify
from corpus.packaged.routing import websocket_urlpatterns as packaged
from corpus.presence.routing import websocket_urlpatterns as presence
from corpus.states.routing import team_urlpatterns
from corpus.states.routing import websocket_urlpatterns as states
from corpus.streams.routing import websocket_urlpatterns as streams

websocket_urlpatterns = [
    *chat,
    *notify,
    *presence,
    *identity,
    *streams,
    *states,
    *mistakes,
    *packaged,
    path("ws/teams/<slug:team>/", URLRouter(team_urlpatterns)),
    re_path(r"^ws/hopeless/", URLRouter(hopeless)),
]
