"""The project's application, wrapped; in front of it, what answers with rubbish if a message asks for it."""

import json
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faults.settings")
http = get_asgi_application()

from channelgate import bridge  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

from faults.consumers import FaultConsumer  # noqa: E402

SEND = b'{"do":"send","text":"1"}\n'
OPEN = b'{"end":"open","state":"rubbish"}\n'
#: Status, content type and pieces of a body; a body without its end is cut off.
RUBBISH = {
    "a page": (200, b"text/html", [b"<html>Welcome</html>"], True),
    "nothing": (200, b"application/x-ndjson", [b""], True),
    "no end": (200, b"application/x-ndjson", [SEND], True),
    "half a line": (200, b"application/x-ndjson", [SEND, b'{"end":"op'], True),
    "cut off": (200, b"application/x-ndjson", [SEND], False),
    "no object": (200, b"application/x-ndjson", [b"[1]\n", OPEN], True),
    "an unknown command": (200, b"application/x-ndjson", [b'{"do":"fly"}\n', OPEN], True),
    "an unknown end": (200, b"application/x-ndjson", [b'{"end":"perhaps"}\n'], True),
    "no state": (200, b"application/x-ndjson", [b'{"end":"open"}\n'], True),
    "a number for a text": (200, b"application/x-ndjson", [b'{"do":"send","text":7}\n', OPEN], True),
    "a wrong close code": (200, b"application/x-ndjson", [b'{"do":"close","code":1006}\n', OPEN], True),
    "no base64": (200, b"application/x-ndjson", [b'{"do":"send","bytes":"***"}\n', OPEN], True),
    "no group": (200, b"application/x-ndjson", [b'{"do":"group_add","group":"a b"}\n', OPEN], True),
    "no UTF-8": (200, b"application/x-ndjson", [b'{"do":"send","text":"\xff"}\n', OPEN], True),
    "a status of 500": (500, b"text/plain", [b"Server Error"], True),
    "a status of 418": (418, b"text/plain", [b"teapot"], True),
    "a status of 503": (503, b"text/plain", [b"Later"], True),
    "a redirect": (302, b"text/plain", [b""], True),
    "an endless line": (200, b"application/x-ndjson", [b'{"do":"send","text":"', *[b"x" * 1_000_000] * 40], True),
}


class Rubbish:
    """Answers `{"do": "rubbish", "kind": …}` itself."""

    def __init__(self, application):
        self.application = application

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"] != "/channelgate/channels":
            return await self.application(scope, receive, send)
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        event = json.loads(body).get("event") or {}
        if '"rubbish"' in event.get("text", ""):
            return await self._rubbish(json.loads(event["text"])["kind"], send)
        told = [{"type": "http.request", "body": body, "more_body": False}]

        async def again():
            return told.pop() if told else await receive()

        await self.application(scope, again, send)
        return None

    async def _rubbish(self, kind, send):
        status, content_type, pieces, whole = RUBBISH[kind]
        headers = [(b"content-type", content_type), (b"location", b"/elsewhere"), (b"retry-after", b"1")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if not whole:
            raise ConnectionAbortedError("cut off")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


application = Rubbish(
    bridge(
        ProtocolTypeRouter(
            {
                "http": http,
                "websocket": URLRouter([path("ws/<str:room>/<str:who>/", FaultConsumer.as_asgi())]),
            }
        )
    )
)
