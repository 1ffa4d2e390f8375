from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import URLRouter
from django.urls import path, re_path, register_converter


class YearConverter:
    regex = "[0-9]{4}"

    def to_python(self, value):
        return int(value)

    def to_url(self, value):
        return str(value)


register_converter(YearConverter, "year")


class Room(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add(f"room_{self.scope['url_route']['kwargs']['room']}", self.channel_name)
        await self.accept()

    async def said(self, event):
        await self.send_json({"text": event["text"]})


class Kind(Room):
    async def connect(self):
        await self.channel_layer.group_add(f"kind_{self.scope['url_route']['kwargs']['room']}", self.channel_name)
        await self.accept()


class Feed(AsyncJsonWebsocketConsumer):
    async def said(self, event):
        await self.send_json({"text": event["text"]})


nested = URLRouter([path("<int:room>/", Room.as_asgi()), re_path(r"^(?P<room>\d+)/live/$", Room.as_asgi())])

ROUTES = [
    path("int/<int:room>/", Room.as_asgi()),
    path("str/<str:room>/", Room.as_asgi()),
    path("plain/<room>/", Room.as_asgi()),
    path("slug/<slug:room>/", Room.as_asgi()),
    path("uuid/<uuid:room>/", Room.as_asgi()),
    path("path/<path:room>/end/", Room.as_asgi()),
    path("year/<year:room>/", Room.as_asgi()),
    path("kind/", Kind.as_asgi(), {"room": "lobby"}),
    path("nested/", nested),
    re_path(r"^/?digits/(?P<room>\d+)/$", Room.as_asgi()),
    re_path(r"zero/(?P<room>[0-9]+)/?$", Room.as_asgi()),
    re_path(r"^word/(?P<room>\w+)/$", Room.as_asgi()),
    re_path(r"^any/(?P<room>[^/]+)/$", Room.as_asgi()),
    re_path(r"^dash/(?P<room>[\w-]+)/$", Room.as_asgi()),
    re_path(r"^hex/(?P<room>[0-9a-f-]{36})/$", Room.as_asgi()),
    re_path(r"^four/(?P<room>\d{4})/$", Room.as_asgi()),
    re_path(r"^either/(?P<room>red|blue)/$", Room.as_asgi()),
    re_path(r"^unused/(?P<page>\d+)/$", Feed.as_asgi()),
    re_path(r"^unnamed/(\w+)/$", Feed.as_asgi()),
    re_path(r"^(?:a|b)/$", Feed.as_asgi()),
    re_path(r"^open/", Feed.as_asgi()),
    path("arguments/", Feed.as_asgi(kind="x") if hasattr(Feed, "kind") else Feed.as_asgi()),
]

application = URLRouter(ROUTES)
