"""The project's application, wrapped; in front of it, what counts the questions who a client is, and breaks them."""

import asyncio
import contextlib
import json
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "logins.settings")
http = get_asgi_application()

from channelgate import bridge  # noqa: E402
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

from logins.consumers import WhoConsumer  # noqa: E402

CALM = {"status": 200, "delay": 0.0, "page": None}


class Counted:
    """`POST /mood/` sets the status, the delay and the page of the next answers; `GET /mood/` tells what was asked.

    A delay ends with its mood.
    """

    def __init__(self, application):
        self.application = application
        self.asked = []
        self.mood = CALM
        self.changed = asyncio.Event()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] not in ("/mood/", "/channelgate/who_am_i"):
            return await self.application(scope, receive, send)
        body = await read(receive)
        if scope["path"] == "/mood/":
            if body:
                self.mood = {**CALM, **json.loads(body)}
                self.changed.set()
                self.changed = asyncio.Event()
            return await answer(send, 200, {"asked": self.asked})
        self.asked.append(json.loads(body)["data"])
        mood = self.mood
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(mood["delay"]):
                await self.changed.wait()
        if mood["page"] is not None:
            return await answer(send, mood["status"], mood["page"].encode(), b"text/html")
        if mood["status"] != 200:
            return await answer(send, mood["status"], {"message": "in a mood"})
        told = [{"type": "http.request", "body": body, "more_body": False}]

        async def again():
            return told.pop() if told else await receive()

        return await self.application(scope, again, send)


async def read(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def answer(send, status, body, kind=b"application/json"):
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": body if isinstance(body, bytes) else json.dumps(body).encode()})


application = Counted(
    bridge(
        ProtocolTypeRouter(
            {
                "http": http,
                "websocket": AuthMiddlewareStack(
                    URLRouter([path(f"ws/{name}/", WhoConsumer.as_asgi()) for name in ("who", "bridged", "free")])
                ),
            }
        )
    )
)
