"""Requests as a node signs them, through each of the two doors of the package."""

import asyncio
import json
import time

from django.conf import settings

from channelgate.signature import sign


def signature(body, *, secret=None, timestamp=None):
    stamp = str(int(time.time()) if timestamp is None else timestamp).encode()
    key = settings.SECRET if secret is None else secret
    return {
        "x-channelgate-timestamp": stamp.decode(),
        "x-channelgate-signature": sign(key.encode(), stamp, body).decode(),
    }


class Response:
    """A response of an ASGI application, with the moment of each piece."""

    def __init__(self):
        self.status = None
        self.headers = {}
        self.pieces = []
        self.done = asyncio.Event()
        self.arrived = asyncio.Event()

    @property
    def body(self):
        return b"".join(self.pieces)

    @property
    def lines(self):
        return [json.loads(line) for line in self.body.splitlines()]

    async def until(self, count):
        """Waits for so many lines."""
        while len(self.body.splitlines()) < count:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 30)  # noqa: TID251
        return self.lines


class Exchange:
    """One request to an ASGI application, which the caller may give up."""

    def __init__(self, application, path, body, headers, method="POST"):
        self.response = Response()
        self.inbox = asyncio.Queue()
        self.inbox.put_nowait({"type": "http.request", "body": body, "more_body": False})
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [
                (b"host", b"django"),
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *((name.encode(), value.encode("latin-1")) for name, value in headers.items()),
            ],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self.task = asyncio.ensure_future(application(scope, self.inbox.get, self._send))

    async def _send(self, message):
        if message["type"] == "http.response.start":
            self.response.status = message["status"]
            self.response.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            if message.get("body"):
                self.response.pieces.append(message["body"])
            self.response.arrived.set()
            if not message.get("more_body"):
                self.response.done.set()

    def leave(self):
        """The node goes."""
        self.inbox.put_nowait({"type": "http.disconnect"})

    async def finish(self):
        await asyncio.wait_for(self.task, 30)  # noqa: TID251
        return self.response


async def post(application, path, data, headers=None, *, method="POST"):
    """A signed request to an ASGI application, and its response."""
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return await Exchange(application, path, body, signature(body) if headers is None else headers, method).finish()
