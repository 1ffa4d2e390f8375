"""Ways that block their thread: at most `CONNECTIONS` threads are in them at once."""

import asyncio
import concurrent.futures
import os
import threading
import time
from collections.abc import Sequence

from channelgate.conf import conf
from channelgate.locks import Lock
from channelgate.publishing import failures
from channelgate.publishing.attempts import PAUSE, Attempts
from channelgate.publishing.values import Message

_gates: dict[int, threading.BoundedSemaphore] = {}
_pools: dict[int, concurrent.futures.ThreadPoolExecutor] = {}
_lock = Lock()


class Blocking:
    """A way of which a subclass knows how messages are written."""

    name = ""
    #: How many messages are sent together.
    together = 1

    def attempt(self, messages: Sequence[Message], attempts: Attempts) -> None:
        """Sends them; raises if they were not sent at the deadline."""
        raise NotImplementedError

    def send(self, messages: Sequence[Message]) -> None:
        """Waits in this thread."""
        start = 0
        while start < len(messages):
            part = messages[start : start + self.fitting(messages, start)]
            attempts = Attempts(self.name)
            try:
                self._tried(part, attempts)
            except Exception as error:
                attempts.gave_up()
                failures.failed(messages[start:], error, self.name)
                return
            attempts.succeeded()
            start += len(part)

    def fitting(self, messages: Sequence[Message], start: int) -> int:
        """How many of the messages from `start` on are sent together, at least one."""
        return self.together

    async def asend(self, messages: Sequence[Message]) -> None:
        """Waits in a thread of its own."""
        await asyncio.get_running_loop().run_in_executor(_pool(conf().publish.connections), self.send, messages)

    def _tried(self, part: Sequence[Message], attempts: Attempts) -> None:
        gate = _gate(conf().publish.connections)
        if not gate.acquire(timeout=attempts.timeout):
            raise TimeoutError("all connections for publishing were in use")
        try:
            try:
                self.attempt(part, attempts)
            except Exception:
                if not attempts.again():
                    raise
                time.sleep(PAUSE)
                self.attempt(part, attempts)
        finally:
            gate.release()


def _gate(connections: int) -> threading.BoundedSemaphore:
    with _lock:
        if connections not in _gates:
            _gates[connections] = threading.BoundedSemaphore(connections)
        return _gates[connections]


def _pool(connections: int) -> concurrent.futures.ThreadPoolExecutor:
    with _lock:
        if connections not in _pools:
            _pools[connections] = concurrent.futures.ThreadPoolExecutor(connections, "channelgate-publishing")
        return _pools[connections]


def _after_fork() -> None:
    """Threads that held them are not in the child."""
    _gates.clear()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
