"""Runs `transaction.on_commit` callbacks in a test whose own transaction is never committed.

Django's `TestCase`, and the `db` fixture of pytest-django, run a test in a transaction that is rolled back. A block of
the project that ends within it would have been committed outside of the test, so its callbacks run at that moment.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import Atomic

logger = logging.getLogger("channelgate.testing")

_lock = threading.Lock()
_active: list["Commits"] = []
_exit: Callable[..., Any] = Atomic.__exit__
_on_commit: Callable[..., Any] = BaseDatabaseWrapper.on_commit


class Commits:
    """While it is entered, callbacks run where Django would have committed; with `run=False` they wait for `now()`."""

    def __init__(self, run: bool = True, before_end: Callable[[], None] | None = None) -> None:
        self.run = run
        #: Called before a test case rolls its transaction back.
        self.before_end = before_end
        # Callbacks of what was written before: of `setUpTestData`, for instance.
        self._before: list[Any] = []

    def __enter__(self) -> "Commits":
        self._before = [one for each in connections.all(initialized_only=True) for one in each.run_on_commit]
        with _lock:
            _active.append(self)
            Atomic.__exit__ = _leave
            BaseDatabaseWrapper.on_commit = _register
        return self

    def __exit__(self, *_: Any) -> None:
        with _lock:
            _active.remove(self)
            if not _active:
                Atomic.__exit__ = _exit
                BaseDatabaseWrapper.on_commit = _on_commit

    def now(self) -> None:
        """Runs the callbacks that wait in this thread, as if the test's transaction were committed here."""
        for connection in connections.all(initialized_only=True):
            self.run_due(connection)

    def run_due(self, connection: Any) -> None:
        """Runs what waits for the end of a block, if only the test's own transaction is open."""
        if not is_test_level(connection):
            return
        due = [one for one in connection.run_on_commit if not self._is_old(one)]
        connection.run_on_commit = [one for one in connection.run_on_commit if self._is_old(one)]
        for _, function, robust in due:
            _call(function, robust)

    def waiting(self) -> int:
        """How many callbacks wait in this thread."""
        every = connections.all(initialized_only=True)
        return sum(not self._is_old(one) for connection in every for one in connection.run_on_commit)

    def _is_old(self, entry: Any) -> bool:
        return any(entry is one for one in self._before)


def is_test_level(connection: Any) -> bool:
    """Whether every open block is one that the test case has opened, and none of them is broken."""
    if not connection.in_atomic_block or connection.needs_rollback:
        return False
    return all(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def _call(function: Callable[[], Any], robust: bool) -> None:
    if not robust:
        function()
        return
    try:
        function()
    except Exception as error:
        logger.error("A callback of on_commit(robust=True) failed: %s", error, exc_info=error)


def _leave(self: Any, exc_type: Any, exc_value: Any, traceback: Any) -> None:
    if getattr(self, "_from_testcase", False):
        for each in list(_active):
            if each.before_end is not None:
                each.before_end()
    _exit(self, exc_type, exc_value, traceback)
    if exc_type is None:
        _after(connections[self.using or DEFAULT_DB_ALIAS])


def _register(self: Any, func: Callable[[], Any], robust: bool = False) -> None:
    _on_commit(self, func, robust=robust)
    _after(self)


def _after(connection: Any) -> None:
    top = _active[-1] if _active else None
    if top is not None and top.run:
        top.run_due(connection)
