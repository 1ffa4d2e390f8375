"""One event of one connection while it runs: what the application receives, and what becomes of what it sends."""

import asyncio
import contextvars
import functools
import sys
import types
from collections.abc import Mapping
from typing import Any

from channelgate.bridge import late, protocol, shares
from channelgate.bridge.refusals import Refused
from channelgate.bridge.reply import Fallback, Reply
from channelgate.bridge.request import Item, Scope

HANDLERS = {"websocket.connect": "connect", "websocket.receive": "receive", "websocket.disconnect": "disconnect"}


#: The context of a call that has ended.
_NOWHERE = contextvars.Context()

#: Whose frames are passed over in the search for an outer consumer: reading the variables of each takes a while.
SERVERS = frozenset({"asgiref", "asyncio", "channelgate", "uvicorn", "uvloop"})
MIDDLEWARE = frozenset({"channels.auth", "channels.middleware", "channels.routing", "channels.sessions"})


class Call:
    """The application's side of a call. `send` and `receive` are those of ASGI."""

    __slots__ = (
        "after",
        "alias",
        "awaiting",
        "baseline",
        "before",
        "consumer",
        "ended",
        "finished",
        "initkwargs",
        "item",
        "look",
        "parted",
        "payload",
        "read",
        "received",
        "received_scope",
        "receivers",
        "refusal",
        "reply",
        "scope",
        "status",
        "swallowed",
        "task",
        "tasks",
        "wrapped",
    )

    def __init__(self, item: Item, reply: Reply, scope: Scope) -> None:
        self.item = item
        self.reply = reply
        self.scope = scope
        #: The scope as the node describes the handshake.
        self.received_scope: Scope = scope
        self.status = protocol.CONNECTING
        #: The consumer, once it runs, and what its `__init__` left.
        self.consumer: Any = None
        self.baseline: Any = None
        #: The context before the application ran, and after the handler.
        self.before = self.after = contextvars.copy_context()
        #: The consumer's class, once the call has ended.
        self.parted: type | None = None
        #: What `as_asgi()` was given, or None if only the whole application can make the consumer.
        self.initkwargs: Any = None
        #: The payload of the state, in a later call.
        self.payload: dict[str, Any] | None = None
        #: What the consumer was before its handler, if several connections share the call.
        self.look: dict[str, Any] | None = None
        #: What it has read then, and may differ between them.
        self.read: set[str] = set()
        #: The alias of the layer that the consumer uses.
        self.alias = "default"
        #: Middleware stands between the socket and the consumer, and has to run in every call.
        self.wrapped = False
        self.received = False
        #: The consumer waits for its message.
        self.awaiting = False
        #: Middleware kept the message for itself and waits for the next one.
        self.swallowed = False
        #: The consumer raised StopConsumer.
        self.finished = False
        self.ended = False
        self.refusal: Refused | None = None
        self.tasks: list[asyncio.Task[Any]] = []
        #: What the handler connected to signals: the signal, the receiver's key, its name.
        self.receivers: list[tuple[Any, Any, str]] = []
        #: The task that runs the application.
        self.task = asyncio.current_task()

    @property
    def channel_name(self) -> str:
        return self.item.channel_name

    @property
    def who(self) -> str:
        """The consumer's class, or the path while no consumer has been reached."""
        kind = self.parted if self.consumer is None else type(self.consumer)
        if kind is None:
            return str(self.scope["path"])
        return f"{kind.__module__}.{kind.__qualname__}"

    @property
    def handler(self) -> str:
        """The method that runs, as a project writes it."""
        kind = self.item.kind
        return HANDLERS.get(kind) or kind.replace(".", "_") or "dispatch"

    def serves(self, alias: str) -> bool:
        """Whether what happens on this layer becomes commands."""
        return not self.ended and alias == self.alias

    def refuse(self, kind: str, text: str) -> Refused:
        """A refusal to raise. It holds even if the project's code swallows it."""
        refusal = Refused(kind, text)
        if self.refusal is None:
            self.refusal = refusal
        return refusal

    def part(self) -> None:
        """The call has ended. The consumer refers to it by `base_send`, contexts and tasks refer to it by CALL: without
        the ways back all are freed at once. Python's collector, which would cost a third of a short call, has nothing
        to find."""
        self.parted = None if self.consumer is None else type(self.consumer)
        self.consumer = self.baseline = self.payload = self.look = None
        self.before = self.after = _NOWHERE
        self.tasks = []

    # What the application does.

    async def receive(self) -> dict[str, Any]:
        if self.received:
            raise self._second_receive()
        self.received = True
        return dict(self.item.event)

    async def send(self, message: Mapping[str, Any]) -> None:
        self.send_now(message)
        if self.reply.full:
            await self.reply.room()

    def send_now(self, message: Mapping[str, Any]) -> None:
        """`send` for a sync consumer, from its thread."""
        command, self.status = protocol.command_of(message, self.status, self._may_deny())
        if command is not None and self.item.per:
            shares.published(self, command.get("text", ""))
        if command is not None:
            self.command(command)

    def command(self, command: dict[str, Any]) -> None:
        """What concerns the connection: nothing comes of it once the call has ended."""
        if not self.ended:
            self.reply.write(command)
        elif self.refusal is None and self.item.kind != "websocket.disconnect" and not self.reply.gone:
            late.report(self.who, self.handler, command["do"])

    async def publish(self, command: dict[str, Any], fallback: Fallback) -> None:
        """What others receive: it goes to the layer if the node has gone."""
        if self.item.per:
            shares.published(self, repr(command["message"]))
        await self.reply.look()
        if self.reply.gone:
            await self.reply.instead(fallback)
        else:
            self.reply.write(command, fallback)

    def _may_deny(self) -> bool:
        return "websocket.http.response" in (self.scope.get("extensions") or ())

    def _second_receive(self) -> BaseException:
        """An application that reads on is not a consumer, or runs others inside it; or middleware that keeps
        a message for itself, on the consumer's way to it."""
        if self.awaiting:
            self.swallowed = True
            return asyncio.CancelledError("middleware waits for the next message")
        outer = outer_consumer(self.consumer, self)
        if self.consumer is not None and outer is None:
            self.refuse("no_consumer", f"{self.scope['path']}: something else than {self.who} reads its messages")
        elif outer is not None:
            self.refuse("nested", nested_text(outer, self.consumer))
        else:
            self.refuse(
                "no_consumer", f"{self.scope['path']} is served by a plain ASGI application, not by a Channels consumer"
            )
        # No `except Exception` stops a cancellation.
        return asyncio.CancelledError("the application reads on")


@functools.cache
def _between(module: str) -> bool:
    """Whether a module stands between the server and the consumers, and has none itself."""
    return module in MIDDLEWARE or module.partition(".")[0] in SERVERS


def nested_text(outer: Any, inner: Any) -> str:
    kind = type(outer)
    name = type(inner).__name__ if inner is not None else "other consumers"
    return f"{kind.__module__}.{kind.__qualname__} runs other consumers inside it ({name}): it has to stay with Daphne"


def outer_consumer(inner: Any, call: Call) -> Any:
    """A consumer other than `inner` in whose methods this code runs, or which waits in a task of the call."""
    from channels.consumer import AsyncConsumer

    for task in (call.task, *call.tasks):
        coro: Any = None if task is None or task.done() else task.get_coro()
        while coro is not None:
            waiting = getattr(coro, "cr_frame", None)
            if waiting is not None and not _between(waiting.f_globals.get("__name__", "")):
                candidate = waiting.f_locals.get("self")
                if candidate is not inner and isinstance(candidate, AsyncConsumer):
                    return candidate
            coro = getattr(coro, "cr_await", None)

    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_argcount and code.co_varnames[0] == "self" and not _between(frame.f_globals.get("__name__", "")):
            candidate = frame.f_locals.get("self")
            if candidate is not inner and isinstance(candidate, AsyncConsumer):
                return candidate
        frame = frame.f_back
    return None
