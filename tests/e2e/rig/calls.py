"""Calls the demo project like a node, over HTTP and through its worker."""

import asyncio
import hashlib
import hmac
import json
import time
import uuid

import stack

from .deadline import in_time
from .demo import Person
from .http import Http, Reply


def call_of(action: str, data=None, user: Person | None = None) -> dict:
    asker = user.as_user() if user else None
    return {"action": action, "data": data, "user": asker, "connection": "a-connection", "consumer": "tracker"}


def signed(body: bytes, secret: str = stack.BACKEND_SECRET, timestamp: str | None = None) -> dict[str, str]:
    """The headers of a signed call."""
    timestamp = timestamp or str(int(time.time()))
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Channelgate-Timestamp": timestamp, "X-Channelgate-Signature": f"sha256={digest}"}


def post(port: int, action: str, body: bytes, headers: dict[str, str]) -> Reply:
    headers = {"Content-Type": "application/json", **headers}
    return Http(port).request_now("POST", f"/channelgate/{action}", body=body, headers=headers)


class OverWorker:
    """Sends calls to the worker's channel and waits for answers on a channel of its own."""

    def __init__(self, layer):
        self.layer = layer

    async def ask(self, action: str, data=None, user: Person | None = None) -> tuple[int, object]:
        reply_channel = await self.layer.new_channel()
        call = {"type": "channelgate.call", "id": str(uuid.uuid4()), "reply_channel": reply_channel}
        await self.layer.send(stack.WORKER, {**call, **call_of(action, data, user)})
        answer = await in_time(30, self.layer.receive(reply_channel))
        assert (answer["type"], answer["id"]) == ("channelgate.answer", call["id"])
        return answer["status"], answer["body"]


class OverHttp:
    """Posts signed calls."""

    def __init__(self, port: int):
        self.port = port

    async def ask(self, action: str, data=None, user: Person | None = None) -> tuple[int, object]:
        body = json.dumps(call_of(action, data, user)).encode()
        reply = await asyncio.to_thread(post, self.port, action, body, signed(body))
        return reply.status, reply.json()
