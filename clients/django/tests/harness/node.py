"""A node of one connection: calls the package for each event, and does what the lines say."""

import base64
import json

from harness.signed import post
from harness.truth import CHANNEL

FIELDS = {"accept": "do", "send": "do", "close": "do", "deny": "do", "deny_body": "do"}


class Node:
    def __init__(self, door, handshake, layer, connection="k2Jx"):
        self.door, self.handshake, self.layer = door, handshake, layer
        layer.channel_name = CHANNEL
        self.connection = connection
        self.seq = 0
        self.state = None
        self.groups = set()
        self.pending = []
        self.over = self.closed = self.accepted = False
        self.user = self.expires = self.vars = None
        self.ends = []
        self.sizes = []
        self.notes = []

    def request(self, event, export=()):
        request = {
            "v": 1,
            "connection": self.connection,
            "seq": self.seq,
            "channel_name": CHANNEL,
            "consumer": "c",
            "state": self.state,
            "event": event,
            "export": list(export),
        }
        if self.seq == 0:
            request["scope"] = self.handshake
        return request

    async def step(self, event, lines=0, export=()):
        """One event and what follows from it, as a trace."""
        self.layer.trace[:] = []
        trace = []
        self.pending.append(wire_event(event))
        while self.pending and not self.over:
            response = await self.door(self.request(self.pending.pop(0), export))
            trace += self.apply(response)
        # What reached the layer itself: other channels than the connection's own.
        return trace + [entry for entry in self.layer.trace if entry not in trace]

    def apply(self, lines):
        self.seq += 1
        trace = []
        for line in lines[:-1]:
            trace += self.line(line)
        end = lines[-1]
        self.ends.append(end)
        assert "end" in end, lines
        if end["end"] == "open":
            self.state = end["state"]
            self.sizes.append(len(self.state))
            self.user = end.get("user", self.user)
            self.expires = end.get("expires", self.expires)
            self.vars = end.get("vars", self.vars)
            return trace
        self.over = True
        if end["end"] == "stopped":
            return [*trace, ("end", "stopped")]
        if end["end"] == "error":
            return [*trace, ("end", "error", end["type"])]
        return [*trace, ("end", end["end"], end.get("kind"), end["text"])]

    def line(self, line):
        do = line["do"]
        if do == "note":
            self.notes.append(line)
            return []
        if do in ("group_add", "group_discard"):
            (self.groups.add if do == "group_add" else self.groups.discard)(line["group"])
            return [(do, line["group"])]
        if do == "group_send":
            if line["group"] in self.groups:
                self.pending.append(line["message"])
            return [(do, line["group"], unwire(line["message"]))]
        if do == "send_channel":
            if line["channel"] == CHANNEL:
                self.pending.append(line["message"])
            return [(do, line["channel"], unwire(line["message"]))]
        if do == "close":
            self.closed = True
        if do == "accept":
            self.accepted = True
        return [("do", line)]

    async def close(self):
        pass


def wire_event(event):
    """An ASGI event as the node writes it."""
    if event.get("type") == "websocket.receive" and event.get("bytes") is not None:
        return {"type": event["type"], "bytes": base64.b64encode(event["bytes"]).decode()}
    return dict(event)


def unwire(value):
    """The contract's values, read independently of the package."""
    if isinstance(value, list):
        return [unwire(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {"$b"}:
            return base64.b64decode(value["$b"])
        if set(value) == {"$f"}:
            return float(value["$f"])
        if set(value) == {"$d"}:
            return {key: unwire(item) for key, item in value["$d"].items()}
        return {key: unwire(item) for key, item in value.items()}
    return value


def wrapper(application):
    """The door beside Django."""

    async def door(request):
        response = await post(application, "/channelgate/channels", request)
        assert response.status == 200, response.body
        assert response.headers["content-type"] == "application/x-ndjson"
        return response.lines

    return door


def urls_asgi(application):
    """`channelgate.urls` under Django's ASGI handler."""

    async def door(request):
        response = await post(application, "/gate/channels", request)
        assert response.status == 200, response.body
        return response.lines

    return door


def urls_wsgi():
    """`channelgate.urls` under WSGI, in a thread as gunicorn has them."""
    from asgiref.sync import sync_to_async
    from django.test import Client

    from harness.signed import signature

    def ask(request):
        body = json.dumps(request).encode()
        response = Client().post("/gate/channels", data=body, content_type="application/json", headers=signature(body))
        assert response.status_code == 200, response.content
        content = b"".join(response.streaming_content) if response.streaming else response.content
        return [json.loads(line) for line in content.splitlines()]

    async def door(request):
        return await sync_to_async(ask, thread_sensitive=False)(request)

    return door


def handshake_of(path, *, cookie=None, subprotocols=(), headers=(), extensions=None):
    """A handshake as the node describes it."""
    path, _, query = path.partition("?")
    pairs = [["host", "example.org"], ["origin", "http://example.org"], *map(list, headers)]
    if cookie:
        pairs.append(["cookie", cookie])
    described = {
        "path": path,
        "query_string": query,
        "headers": pairs,
        "client": ["203.0.113.9", 50412],
        "server": ["example.org", 80],
        "scheme": "ws",
        "subprotocols": list(subprotocols),
    }
    if extensions:
        described["extensions"] = extensions
    return described


def scope_of(described):
    """The same handshake as Daphne would put it."""
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": described["path"],
        "raw_path": described["path"].encode(),
        "root_path": "",
        "query_string": described["query_string"].encode(),
        "headers": [(name.encode(), value.encode()) for name, value in described["headers"]],
        "client": list(described["client"]),
        "server": list(described["server"]),
        "subprotocols": list(described["subprotocols"]),
    }
    if "extensions" in described:
        scope["extensions"] = described["extensions"]
    return scope
