"""Sends what the query says, and writes down what the server says to it. Daphne serves it; so does a node."""

import json
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
import django

django.setup()

from channels.consumer import AsyncConsumer  # noqa: E402
from channels.exceptions import StopConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402
from django.http import QueryDict  # noqa: E402

#: By script: what each message raised.
RAISED: dict[str, list] = {}


class Scripted(AsyncConsumer):
    async def websocket_connect(self, event):
        query = QueryDict(self.scope["query_string"])
        raised = RAISED.setdefault(query["name"], [])
        for message in json.loads(query["script"]):
            if isinstance(message.get("bytes"), str) and message["bytes"].startswith("b:"):
                message["bytes"] = message["bytes"][2:].encode()
            if isinstance(message.get("text"), str) and message["text"].startswith("b:"):
                message["text"] = message["text"][2:].encode()
            try:
                await self.send(message)
                raised.append(None)
            except Exception as error:
                raised.append([type(error).__name__, str(error)[:60]])

    async def websocket_receive(self, event):
        pass

    async def websocket_disconnect(self, event):
        raise StopConsumer()


async def told(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(RAISED).encode()})


application = ProtocolTypeRouter({"websocket": Scripted.as_asgi(), "http": told})
