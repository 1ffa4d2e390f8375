"""The project's HTTP side: the views that publish, and the bridge where it is installed."""

from django.conf import settings
from django.urls import include, path

from corpus.chat import views as chat
from corpus.identity import views as identity
from corpus.notify import views as notify
from corpus.packaged import views as packaged
from corpus.presence import views as presence

urlpatterns = [
    path("api/alive/", identity.alive),
    path("api/ws-ticket/", identity.ws_ticket),
    path("api/rooms/<slug:name>/announce/", chat.announce),
    path("api/orders/<int:pk>/advance/", notify.advance),
    path("api/notify/<int:user_id>/", notify.notify_user),
    path("api/qr/<str:code>/confirm/", presence.confirm),
    path("api/tasks/<int:pk>/", packaged.change_task),
]
if settings.BRIDGE:
    urlpatterns.append(path("channelgate/", include("channelgate.urls")))
