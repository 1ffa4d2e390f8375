"""Messages to groups, from any code of the project: `publish("order_7", {"type": "order.status", "status": "paid"})`.

In: what `group_send` takes. Out: the message at every node and at Channels' own consumers, after the commit. A message
needs no connection of its own, and no view waits longer than `PUBLISH["TIMEOUT"]`.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from asgiref.sync import sync_to_async

from channelgate.identity import user_id
from channelgate.publishing import captures, commit, values
from channelgate.publishing.failures import NotPublished, publish_failed
from channelgate.publishing.values import Message
from channelgate.publishing.via import chosen

__all__ = [
    "NotPublished",
    "apublish",
    "apublish_many",
    "ato_user",
    "publish",
    "publish_failed",
    "publish_many",
    "to_user",
]


def publish(
    group: str,
    event: Mapping[str, Any],
    *,
    using: str | None = None,
    on_commit: bool | None = None,
    via: str | None = None,
) -> None:
    """Sends the event to the group: after the transaction of the database `using`, if this code is in one, else now."""
    _refuse_loop("publish")
    _publish([values.message(group, event)], using, on_commit, via)


def publish_many(
    messages: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    using: str | None = None,
    on_commit: bool | None = None,
    via: str | None = None,
) -> None:
    """The same for pairs of a group and its event, in their order; one that cannot be sent is an error for all."""
    _refuse_loop("publish_many")
    _publish(values.messages(messages), using, on_commit, via)


def to_user(
    user: Any,
    event: Mapping[str, Any],
    *,
    using: str | None = None,
    on_commit: bool | None = None,
    via: str | None = None,
) -> None:
    """The same for the group `user_<id>`, which a node's `user_{{ user.id }}` joins. `user` is a user, or its id."""
    _refuse_loop("to_user")
    _publish([values.message(_group_of(user_id(user)), event)], using, on_commit, via)


async def apublish(group: str, event: Mapping[str, Any], *, via: str | None = None) -> None:
    """Sends the event now, and returns when Redis has it. Django has no transactions in asynchronous code."""
    await _apublish([values.message(group, event)], via)


async def apublish_many(messages: Iterable[tuple[str, Mapping[str, Any]]], *, via: str | None = None) -> None:
    """The same for pairs of a group and its event, in their order."""
    await _apublish(values.messages(messages), via)


async def ato_user(user: Any, event: Mapping[str, Any], *, via: str | None = None) -> None:
    """The same for the group of a user."""
    # A function of the project's own may ask the database.
    identity = await sync_to_async(user_id, thread_sensitive=True)(user)
    await _apublish([values.message(_group_of(identity), event)], via)


def _publish(messages: list[Message], using: str | None, on_commit: bool | None, via: str | None) -> None:
    if not messages:
        return
    waits = commit.waits(using, on_commit)
    capture = captures.current()
    if capture is None:
        way = chosen(via)

        def send() -> None:
            way.send(messages)
    else:
        taken = capture

        def send() -> None:
            _capture(taken, messages, using, waits)

    if waits:
        commit.after(using, send)
    else:
        send()


async def _apublish(messages: list[Message], via: str | None) -> None:
    if not messages:
        return
    capture = captures.current()
    if capture is not None:
        _capture(capture, messages, None, False)
        return
    await chosen(via).asend(messages)


def _capture(capture: captures.Capture, messages: list[Message], using: str | None, on_commit: bool) -> None:
    for group, event in messages:
        capture.add(group, event, using, on_commit)


def _group_of(identity: str | None) -> str:
    if identity is None:
        raise ValueError("an anonymous user has no group")
    return values.group_of(identity)


def _refuse_loop(name: str) -> None:
    """A loop that waits for Redis runs nothing else meanwhile."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(f"{name}() would block this event loop: await a{name}()")
