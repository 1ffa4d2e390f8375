"""A fresh project as the tutorial of Channels has it: `django-admin startproject`, sessions, and one chat consumer."""

from pathlib import Path

from .packed import Environment

#: What `pip install "channelgate[shadow]"` brings. Django, Channels, Daphne and the Redis layer are there before.
BROUGHT = ("channelgate", "websockets")

SETTINGS = """
INSTALLED_APPS = ["daphne", *INSTALLED_APPS, "channels", "chat"]
ASGI_APPLICATION = "mysite.asgi.application"
CHANNEL_LAYERS = {{
    "default": {{"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {{"hosts": ["{redis}"]}}}}
}}
"""

FILES = {
    "chat/__init__.py": "",
    "chat/consumers.py": '''
"""A room of users who are logged in."""

import json

from channels.generic.websocket import AsyncWebsocketConsumer


class ChatConsumer(AsyncWebsocketConsumer):
    async def connect(self):
        if self.scope["user"].is_anonymous:
            await self.close()
            return
        self.room = self.scope["url_route"]["kwargs"]["room"]
        self.group = f"chat_{self.room}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        if hasattr(self, "group"):
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data):
        message = {"type": "chat.message", "text": json.loads(text_data)["text"], "by": self.scope["user"].username}
        await self.channel_layer.group_send(self.group, message)

    async def chat_message(self, event):
        await self.send(text_data=json.dumps({"text": event["text"], "by": event["by"]}))
''',
    "chat/routing.py": """
from django.urls import path

from chat.consumers import ChatConsumer

websocket_urlpatterns = [path("ws/chat/<slug:room>/", ChatConsumer.as_asgi())]
""",
    "mysite/asgi.py": """
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django_asgi_app = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator

from chat.routing import websocket_urlpatterns

application = ProtocolTypeRouter(
    {
        "http": django_asgi_app,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
""",
}

#: Two users, whose names are their passwords.
USERS = """
from django.contrib.auth.models import User
for name in ("anna", "ben"):
    User.objects.create_user(name, password=name)
"""


class Fresh:
    """The project in an environment of its own."""

    def __init__(self, folder: Path, redis_url: str, *wheels: Path):
        self.environment = Environment(folder / "venv", *wheels)
        self.environment.link(but=BROUGHT)
        self.folder = folder / "mysite"
        self.folder.mkdir()
        self.environment.run("python", "-m", "django", "startproject", "mysite", self.folder)
        for name, text in FILES.items():
            file = self.folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text.lstrip())
        self.append("mysite/settings.py", SETTINGS.format(redis=redis_url))
        self.manage("migrate", "--verbosity", "0")
        self.manage("shell", "--command", USERS)

    def append(self, name: str, text: str) -> None:
        """Adds lines to the end of a file."""
        file = self.folder / name
        file.write_text(f"{file.read_text().rstrip()}\n\n{text.strip()}\n")

    def manage(self, *words: str) -> None:
        """A command of Django."""
        self.environment.run("python", "manage.py", *words, cwd=self.folder)
