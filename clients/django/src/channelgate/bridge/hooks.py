"""What is wrapped in Channels and asyncio, once per process. Outside of a call everything behaves as before."""

import asyncio
import importlib
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from channelgate.bridge import held
from channelgate.bridge.context import CALL
from channelgate.bridge.layers import dress

_installed = False


def install() -> None:
    """Wraps the call of a consumer, the lookup of a layer and the closing of old database connections."""
    global _installed
    if _installed:
        return
    _installed = True
    _wrap_consumers()
    _wrap_layers()
    _wrap_old_connections()
    held.install()


def _wrap_consumers() -> None:
    from channels.consumer import AsyncConsumer

    from channelgate.bridge.adopt import adopt

    original = AsyncConsumer.__call__

    async def __call__(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        call = CALL.get()
        if call is None or call.ended or scope.get("type") != "websocket":
            return await original(self, scope, receive, send)
        return await adopt(call, self, scope, receive, send)

    __call__.__qualname__ = original.__qualname__
    __call__.__doc__ = original.__doc__
    AsyncConsumer.__call__ = __call__


def _wrap_layers() -> None:
    from channels.layers import ChannelLayerManager

    original = ChannelLayerManager.__getitem__

    def __getitem__(self: Any, key: str) -> Any:
        layer = original(self, key)
        dress(key, layer)
        return layer

    ChannelLayerManager.__getitem__ = __getitem__


#: Database connections that were opened: a dispatch asks whether one of them is old.
_connections: "list[weakref.ref[Any]]" = []


def _wrap_old_connections() -> None:
    """Channels closes old database connections in a thread before each handler. In a call that hop is saved while this
    process has none."""
    from django.db.backends.signals import connection_created

    connection_created.connect(_remember, dispatch_uid="channelgate")
    for name in ("channels.consumer", "channels.generic.websocket"):
        module = importlib.import_module(name)
        original = getattr(module, "aclose_old_connections", None)
        if original is not None:
            module.aclose_old_connections = _saving(original)  # type: ignore[attr-defined]


def _remember(*, connection: Any, **_: Any) -> None:
    known = [one for one in _connections if one() not in (None, connection)]
    _connections[:] = [*known, weakref.ref(connection)]


def _saving(original: Callable[[], Any]) -> Callable[[], Any]:
    async def aclose_old_connections() -> None:
        if CALL.get() is not None and not any_old():
            return
        await original()

    return aclose_old_connections


def any_old() -> bool:
    """Whether `close_old_connections` would close or try a connection of another thread than the event loop's."""
    own, now = threading.get_ident(), time.monotonic()
    for reference in _connections:
        one = reference()
        if one is None or one.connection is None or one._thread_ident == own or one.in_atomic_block:
            continue
        if one.errors_occurred or one.autocommit != one.settings_dict["AUTOCOMMIT"]:
            return True
        if one.close_at is not None and now >= one.close_at:
            return True
        # What it does to a connection that is as it should be.
        one.health_check_done = False
    return False


def watch_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Has the loop register the tasks that a call starts."""
    current: Any = loop.get_task_factory()
    if getattr(current, "channelgate", False):
        return

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        task = asyncio.Task(coro, loop=loop, **options) if current is None else current(loop, coro, **options)
        call = CALL.get()
        if call is not None and not call.ended:
            call.tasks.append(task)
        return task

    factory.channelgate = True  # type: ignore[attr-defined]
    loop.set_task_factory(factory)
