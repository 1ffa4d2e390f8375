"""A consumer meets its call: it gets what Channels gives it, its state, and the one event."""

import asyncio
import contextvars
import functools
import sys
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.layers import get_channel_layer

from channelgate.bridge import shares, state
from channelgate.bridge.call import HANDLERS, Call, nested_text, outer_consumer

#: How far above a consumer's `__call__` the function of `as_asgi()` is looked for.
FRAMES = 6


async def adopt(call: Call, consumer: Any, scope: Any, receive: Any, send: Any) -> None:
    """Stands for `AsyncConsumer.__call__` in a call that runs the whole application."""
    if call.consumer is consumer:
        raise call.refuse("nested", f"{call.who} calls itself twice for one connection")
    outer = outer_consumer(consumer, call) or call.consumer
    if outer is not None:
        raise call.refuse("nested", nested_text(outer, consumer))
    call.consumer = consumer
    call.wrapped = _through(send, call) is not call or getattr(receive, "__self__", None) is not call
    initkwargs = _initkwargs(type(consumer))
    call.initkwargs = initkwargs
    # A class with a `__call__` of its own has set attributes by now, which are not what `__init__` leaves.
    untouched = type(consumer).__call__ is _adopting() or initkwargs is None
    call.baseline = state.Baseline(consumer if untouched else type(consumer)(**(initkwargs or {})))
    set_up(call, consumer, scope, send)
    if call.payload is not None:
        await restore(call, consumer, scope, fresh=False)
    # What comes from the layer does not pass `receive` in Channels, either.
    if call.item.kind in HANDLERS:
        call.awaiting = True
        try:
            message = await receive()
        except asyncio.CancelledError:
            if call.swallowed:
                return
            raise
        finally:
            call.awaiting = False
    else:
        message = dict(call.item.event)
    await dispatch(call, message)


def _adopting() -> Any:
    from channels.consumer import AsyncConsumer

    return AsyncConsumer.__call__


def _through(send: Any, call: Call) -> Any:
    """Whose `send` it is. That of Channels' sessions does nothing for a socket."""
    from channels.sessions import InstanceSessionWrapper

    owner = getattr(send, "__self__", None)
    while isinstance(owner, InstanceSessionWrapper) and type(owner).send is InstanceSessionWrapper.send:
        owner = getattr(owner.real_send, "__self__", None)
    return owner


def _initkwargs(kind: type) -> Any:
    """The arguments with which `as_asgi()` made the consumer, if it did."""
    frame = sys._getframe(2)
    for _ in range(FRAMES):
        if frame is None:
            return None
        if frame.f_code.co_name == "app" and "initkwargs" in frame.f_code.co_freevars:
            values = frame.f_locals
            return values.get("initkwargs") if values.get("cls") is kind else None
        frame = frame.f_back  # type: ignore[assignment]
    return None


def set_up(call: Call, consumer: Any, scope: Any, send: Any) -> None:
    """What `AsyncConsumer.__call__` sets."""
    consumer.scope = scope
    call.alias = consumer.channel_layer_alias
    layer = consumer.channel_layer = get_channel_layer(consumer.channel_layer_alias)
    if layer is not None:
        consumer.channel_name = call.channel_name
        consumer.channel_receive = functools.partial(layer.receive, call.channel_name)
    if getattr(send, "__self__", None) is call:
        # The same without a detour through the event loop for a sync consumer.
        consumer.base_send = call.send_now if consumer._sync else send
    else:
        consumer.base_send = async_to_sync(send) if consumer._sync else send


async def restore(call: Call, consumer: Any, scope: Any, *, fresh: bool) -> None:
    """Gives a consumer its state. The scope of middleware that ran just now (not `fresh`) wins over the kept one."""
    payload = call.payload
    assert payload is not None
    target = scope if fresh else dict(scope)
    work: Callable[[], dict[str, Any]] = functools.partial(state.restore, consumer, payload, scope=target)
    if state.restore_needs_database(payload):
        context = await database_sync_to_async(work)()
    else:
        context = work()
    if context:
        state.give(context, call.before)
    if not fresh:
        for key, value in target.items():
            scope.setdefault(key, value)


async def dispatch(call: Call, message: dict[str, Any]) -> None:
    """The consumer's handler for the event."""
    try:
        if call.item.per:
            await shares.dispatch(call, message)
        else:
            await call.consumer.dispatch(message)
    except StopConsumer:
        call.finished = True
    # What middleware resets on its way out still held for the next handler.
    call.after = contextvars.copy_context()
