"""A call that several connections share (`python_per`): one of them makes it, with its own state.

What the handler sends is for all. What it would change of the consumer could be kept for one connection only, so it is
refused; and what it reads of the connection that differs between them is worth a line of the log.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from channelgate.bridge import state
from channelgate.conf import conf

if TYPE_CHECKING:
    from channelgate.bridge.call import Call

#: Parts of a scope that are the same for all connections that share a call.
ALIKE = {
    "type", "asgi", "http_version", "scheme", "root_path", "extensions", "state", "server", "method", "path_remaining",
}  # fmt: skip
ALIKE_IN = {
    "event": ALIKE,
    "room": ALIKE | {"url_route", "path", "raw_path"},
    "user": ALIKE | {"user"},
}

#: What was noted in this process: class, handler and what it reads.
_noted: set[tuple[str, str, str]] = set()


class Watched(dict[str, Any]):
    """A scope that remembers what a handler reads of it."""

    def __init__(self, scope: dict[str, Any]) -> None:
        super().__init__(scope)
        self.read: set[str] | None = None

    def __getitem__(self, key: str) -> Any:
        if self.read is not None:
            self.read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        if self.read is not None:
            self.read.add(key)
        return super().get(key, default)


def look(call: Call, now: contextvars.Context) -> state.Look:
    """The consumer before its handler, or after it."""
    consumer = call.consumer
    return state.look(
        consumer,
        scope=consumer.scope,
        baseline=call.baseline,
        models=conf().models,
        received=call.received_scope,
        contexts=(call.before, now),
    )


async def dispatch(call: Call, message: dict[str, Any]) -> None:
    """The handler of an event, for all connections that share the call."""
    call.look = look(call, contextvars.copy_context())
    watched = call.consumer.scope if isinstance(call.consumer.scope, Watched) else None
    read: set[str] = set()
    if watched is not None:
        watched.read = read
    try:
        await call.consumer.dispatch(message)
    finally:
        if watched is not None:
            watched.read = None
        call.read.update(f"self.scope[{name!r}]" for name in read - ALIKE_IN[call.item.per])


def check(call: Call) -> None:
    """Refuses what can be kept for one connection only, and notes what is right for one only."""
    if call.look is None:
        return
    note(call)
    changed = state.difference(call.look, look(call, call.after))
    if changed:
        raise call.refuse(
            "python_per",
            f'{call.who} changes {_listed(changed)} in {call.handler}(): python_per = "{call.item.per}" runs it for one'
            ' of several connections, and the others could not keep that. Write python_per = "connection"',
        )


def published(call: Call, text: str) -> None:
    """What a call sends or publishes, as text: the channel of one connection is not that of the others."""
    if call.channel_name in text:
        call.read.add("self.channel_name")


def note(call: Call) -> None:
    """A line about what the handler has read and may differ between the connections, once in this process."""
    new = sorted(what for what in call.read if (call.who, call.handler, what) not in _noted)
    if not new:
        return
    _noted.update((call.who, call.handler, what) for what in new)
    text = (
        f'{call.who} reads {_listed(new)} in {call.handler}(), which python_per = "{call.item.per}" runs once for'
        " several connections: all of them get what is right for one. If it differs between them, write another"
        " python_per"
    )
    # The node logs a kind of note at intervals.
    call.reply.write({"do": "note", "kind": f"python_per {call.handler}", "text": text})


def _listed(names: list[str]) -> str:
    some = names[:3]
    return ", ".join(some) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
