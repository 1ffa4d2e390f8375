"""Locks that are free in a child of `fork`: the threads that held them in the parent are not in the child."""

import os
import threading
from types import TracebackType

_all: "list[Lock]" = []


class Lock:
    """For a module, which has it as long as the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _all.append(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()


def _after_fork() -> None:
    for one in _all:
        one._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
