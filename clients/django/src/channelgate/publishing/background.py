"""One event loop per process, in a thread, for layers whose methods are coroutines: their connections stay open there.

A child process of `fork` starts its own; what it has inherited of the parent's is put out of use, so that neither can
disturb the other.
"""

import asyncio
import atexit
import concurrent.futures
import contextvars
import os
import selectors
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from channelgate.locks import Lock

T = TypeVar("T")

#: How long the end of the process waits for the loop, in seconds.
PATIENCE = 1.0


class Background:
    """A loop in a thread."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.loop = asyncio.SelectorEventLoop(self.selector)
        self.gates: dict[int, asyncio.Semaphore] = {}
        # A daemon, so that the end of the program does not wait for it before `close`.
        self.thread = threading.Thread(target=self.loop.run_forever, name="channelgate-publishing", daemon=True)
        self.thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Starts it in the loop, without the context of the caller: a call of the bridge does not concern the loop."""
        return contextvars.Context().run(asyncio.run_coroutine_threadsafe, work, self.loop)

    def gate(self, connections: int) -> asyncio.Semaphore:
        """Lets so many sends through at once. To be called in the loop."""
        if connections not in self.gates:
            self.gates[connections] = asyncio.Semaphore(connections)
        return self.gates[connections]

    def close(self) -> None:
        """Ends the loop; channels_redis closes its connections with it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        if not self.thread.is_alive():
            self.loop.close()


_lock = Lock()
_current: Background | None = None
#: What a child has inherited. It is never freed: the destructors of connections would write to them.
_inherited: list[Background] = []


def background() -> Background:
    """That of this process."""
    global _current
    with _lock:
        if _current is None:
            _current = Background()
        return _current


def close() -> None:
    """Ends it; the next message starts another."""
    global _current
    with _lock:
        ended, _current = _current, None
    if ended is not None:
        ended.close()


def _after_fork() -> None:
    global _current
    if _current is not None:
        _inherited.append(_current)
        _disown(_current.selector)
        _current = None


def _disown(selector: selectors.BaseSelector) -> None:
    """Has the inherited descriptors lead nowhere: a destructor in the child would write to the parent's connections, or
    take them out of its epoll instance, which both processes share."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for key in list(selector.get_map().values()):
        os.dup2(nowhere, key.fd, inheritable=False)
    os.close(nowhere)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(close)
