"""Whether something of the process keeps the consumer itself: a registry of a module or class, or a signal.

Under Daphne the consumer lives as long as its connection, so a project can send through such a registry. Here the next
call makes another one, and what is sent through the kept one would reach nobody.
"""

import functools
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from channelgate.bridge.call import Call
from channelgate.bridge.context import CALL
from channelgate.bridge.leftovers import binds
from channelgate.bridge.state.sharing import ROOTS, parts

#: A project's containers are looked through up to this many objects.
LIMIT = 200_000
#: Seconds for a thread that has just ended its work to let the consumer go. The search costs many times that.
LET_GO = 0.0002


def install() -> None:
    """Has a call note what its handlers connect to signals."""
    from django.dispatch import Signal

    original: Callable[..., Any] = Signal.connect

    def connect(self: Any, receiver: Any, *args: Any, **options: Any) -> Any:
        call = CALL.get()
        if call is None or call.ended or call.consumer is None or not binds(receiver, call.consumer):
            return original(self, receiver, *args, **options)
        before = {entry[0] for entry in self.receivers}
        original(self, receiver, *args, **options)
        name = getattr(receiver, "__qualname__", type(receiver).__qualname__)
        call.receivers.extend((self, entry[0], name) for entry in self.receivers if entry[0] not in before)
        return None

    connect.__doc__ = original.__doc__
    Signal.connect = connect


def check(call: Call) -> None:
    """Refuses a consumer that the process keeps after its handler."""
    consumer = call.consumer
    if call.receivers and (name := _connected(call)) is not None:
        raise call.refuse(
            "shared",
            f"{call.who} leaves {name}() connected to a signal of this process after {call.handler}(): it would not"
            " hear it in the next call, which has another consumer. Connect a function of the module, which calls"
            " group_send",
        )
    count = sys.getrefcount(consumer)
    if not _shared(consumer, count):
        return
    if threading.active_count() > 1:
        # The thread of a `sync_to_async` hands its result over before it lets the method go.
        time.sleep(LET_GO)
        count = sys.getrefcount(consumer)
        if not _shared(consumer, count):
            return
    holder = _holder(consumer)
    if holder is not None:
        raise call.refuse(
            "shared",
            f"{call.who} keeps itself in {holder} of this process after {call.handler}(): the next call has another"
            " consumer, and what is sent through the kept one would be lost. Keep self.channel_name there, or join a"
            " group",
        )


def _connected(call: Call) -> str | None:
    """A receiver that is still connected, by its name; it is disconnected."""
    found = None
    for signal, key, name in call.receivers:
        with signal.lock:
            left = [entry for entry in signal.receivers if entry[0] != key]
            if len(left) < len(signal.receivers):
                found = name
                signal.receivers = left
                signal.sender_receivers_cache.clear()
    return found


def _shared(consumer: Any, count: int) -> bool:
    """Whether something beside the call and the consumer itself has one of so many references."""
    # Nearly all consumers have no reference to themselves, so their attributes are not looked through.
    return (count > _CLEAN and count > _CLEAN + _own(vars(consumer).values(), consumer)) or _weakly(consumer)


def _clean() -> int:
    """How many references `check` counts to a consumer that only its call holds."""

    class Holder:
        pass

    holder = Holder()
    holder.consumer = Holder()  # type: ignore[attr-defined]
    consumer = holder.consumer  # type: ignore[attr-defined]
    return sys.getrefcount(consumer)


_CLEAN = _clean()


def _weakly(consumer: Any) -> bool:
    return weakref.getweakrefcount(consumer) > 0


def _own(values: Any, consumer: Any, depth: int = 3) -> int:
    """References from the consumer's own attributes: itself, methods, and containers with them."""
    count = 0
    for value in values:
        if value is consumer or getattr(value, "__self__", None) is consumer:
            count += 1
        elif depth and type(value) is dict:
            count += _own(value.values(), consumer, depth - 1)
        elif depth and type(value) in (list, tuple):
            count += _own(value, consumer, depth - 1)
    return count


def _holder(consumer: Any) -> str | None:
    """The name of a project's module or class that leads to the consumer."""
    ROOTS.refresh()
    seen: set[int] = set()
    for module in ROOTS.spaces:
        for value, name, _ in ROOTS.names(module):
            if any(binds(one, consumer) for one in _inside(value, seen)):
                return name.replace(":", ".")
    return None


def _inside(root: Any, seen: set[int]) -> Iterator[Any]:
    """The object and what it holds, each once."""
    # A cache of a method has its consumers as keys, and sends nothing to them.
    if isinstance(root, functools._lru_cache_wrapper):
        return
    yield root
    todo = parts(root, True)
    while todo and len(seen) < LIMIT:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, functools._lru_cache_wrapper):
            continue
        yield value
        todo.extend(parts(value, False))
