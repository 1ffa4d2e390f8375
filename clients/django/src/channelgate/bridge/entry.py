"""The ASGI application around the project's own: it answers the node's calls and actions beside Django.

Nothing of Django's HTTP middleware runs for them. Everything else goes to the project's application as it came.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from channelgate import answers, signature
from channelgate.bridge.refusals import Refused
from channelgate.bridge.reply import CONTENT_TYPE, line
from channelgate.conf import conf

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[Any]]

#: Bytes of a request: 64 states of 64 KiB and their events.
CALL_LIMIT = 16 * 1024 * 1024
ACTION_LIMIT = 1024 * 1024


def bridge(application: Application, *, path: str = "/channelgate/") -> "BridgeApplication":
    """Wraps a project's ASGI application: `application = bridge(ProtocolTypeRouter({…}))` in `asgi.py`."""
    return BridgeApplication(application, path)


class BridgeApplication:
    """What `bridge()` returns."""

    def __init__(self, application: Application, path: str) -> None:
        if not callable(application):
            raise TypeError("bridge() wants the project's ASGI application")
        self.application = application
        self.prefix = "/" + path.strip("/") + "/" if path.strip("/") else "/"
        self._runner: Any = None

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What nodes sign with."""
        return conf().secrets

    @property
    def runner(self) -> Any:
        """Runs the calls; Channels is needed only for them."""
        if self._runner is None:
            self._runner = make_runner(self.application)
        return self._runner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] == "http" and scope["method"] == "POST":
            path: str = scope["path"]
            root: str = scope.get("root_path") or ""
            if root and path.startswith(root):
                path = path[len(root) :]
            if path.startswith(self.prefix):
                name = path[len(self.prefix) :]
                if name and "/" not in name:
                    return await self._answer(name, scope, receive, send)
        return await self.application(scope, receive, send)

    async def _answer(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        timestamp = headers.get(b"x-channelgate-timestamp", b"")
        given = headers.get(b"x-channelgate-signature", b"")
        secrets = self.secrets
        limit = CALL_LIMIT if name == "channels" else ACTION_LIMIT
        wrong = signature.unsigned(secrets, timestamp, given)
        body = b""
        if wrong is None:
            read = await _body(receive, headers.get(b"content-length"), limit)
            if read is None:
                wrong = 413, f"The body has more than {limit} bytes"
            else:
                body = read
                wrong = signature.problem(secrets, timestamp, given, body)
        if wrong is not None:
            await respond(send, wrong[0], answers.dumps(signature.refusal(wrong[1])))
        elif name == "channels":
            from channelgate.bridge.serve import serve

            try:
                runner = self.runner
            except Refused as refused:
                await respond(send, 200, line(refused.end), CONTENT_TYPE)
            else:
                await serve(runner, body, receive, send)
        else:
            status, answer = await answers.aanswer_body(
                name, body, headers.get(b"idempotency-key", b"").decode("latin-1")
            )
            await respond(send, status, answers.dumps(answer))


def make_runner(application: Application) -> Any:
    """A runner, or a refusal in plain words where Channels is missing."""
    try:
        from channelgate.bridge.run import Runner

        return Runner(application)
    except ImportError as error:
        raise Refused("no_channels", f"the bridge needs channels, which cannot be imported here: {error}") from error


async def _body(receive: Receive, length: bytes | None, limit: int) -> bytes | None:
    """The request's body, or None if it is larger than the limit."""
    if length is not None and length.isdigit() and int(length) > limit:
        return None
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] != "http.disconnect" and not message.get("more_body"):
        return body if len(body) <= limit else None
    pieces, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError("the request was closed while its body was read")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            return None
    return b"".join(pieces)


async def respond(send: Send, status: int, body: bytes, content_type: bytes = b"application/json") -> None:
    """A whole response."""
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
