"""The database connections of a test, lent to the thread in which Django answers the node.

What a test writes within its own transaction, or into an SQLite database in memory, another connection does not see. So
that thread uses the test's connections. To other databases it connects by itself.
"""

import contextlib
from collections.abc import Callable, Mapping
from threading import get_ident
from typing import Any

from django.db import connections

#: The methods of a connection that would end it.
CLOSING = ("close", "close_if_unusable_or_obsolete")


class Lent:
    """The connections that are lent; `run` carries a function out in the thread that answers."""

    def __init__(self, run: Callable[[Callable[[], None]], None]) -> None:
        self._run = run
        self._lent: dict[str, Any] = {}

    def lend(self) -> None:
        """Lends the connections of this thread, as far as others would not see what it writes."""
        own = {alias: connections[alias] for alias in connections}
        wanted = {alias: one for alias, one in own.items() if one.in_atomic_block or _is_in_memory(one)}
        if wanted == self._lent:
            return
        self.take_back()
        for connection in wanted.values():
            connection.inc_thread_sharing()
            # Channels and Django close what looks old to them, also in the middle of a test's transaction.
            for name in CLOSING:
                setattr(connection, name, _stays_open)
        self._lent = wanted
        self._run(lambda: _use(wanted))

    def take_back(self) -> None:
        """The test is over."""
        lent, self._lent = self._lent, {}
        if lent:
            self._run(lambda: _forget(lent))
        for connection in lent.values():
            for name in CLOSING:
                delattr(connection, name)
            connection.dec_thread_sharing()


def _stays_open() -> None:
    """Of a connection that is lent."""


def _is_in_memory(connection: Any) -> bool:
    return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())


def _use(lent: Mapping[str, Any]) -> None:
    for alias, connection in lent.items():
        own = connections[alias]
        if own is not connection:
            own.close()
            connections[alias] = connection


def _forget(lent: Mapping[str, Any]) -> None:
    for alias, connection in lent.items():
        # In the thread of an asynchronous test it is the thread's own.
        if connections[alias] is connection and connection._thread_ident != get_ident():
            with contextlib.suppress(AttributeError):
                del connections[alias]
