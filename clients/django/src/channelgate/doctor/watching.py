"""Reads the node's `/api/tail` in a thread: what becomes of an event, or which connection is doctor's own."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from channelgate.doctor import web
from channelgate.doctor.context import Context

#: Seconds for which it reads.
LONGEST = 6.0
#: Seconds between two tries while others have all the node's places: those of clients that are gone become free.
AGAIN = 0.2
FULL = 429


class Watcher:
    """The lines that match, from the beginning of the `with` block on."""

    def __init__(self, context: Context, query: str, matches: Callable[[Mapping[str, Any]], bool]):
        self.url, self.path = context.node, f"/api/tail?{query}"
        self.headers = {"Authorization": f"Bearer {context.api_key}"}
        self.matches = matches
        self.found: list[Mapping[str, Any]] = []
        self._ready, self._seen, self._over = threading.Event(), threading.Event(), threading.Event()
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        # The first line says that from now on everything is shown.
        self._ready.wait(web.TIMEOUT)
        if self._problem is not None:
            raise self._problem
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    @property
    def has_seen(self) -> bool:
        """Whether a line has matched so far."""
        return self._seen.is_set()

    def saw(self, seconds: float) -> bool:
        """Waits for one."""
        return self._seen.wait(seconds)

    def _read(self) -> None:
        end = time.monotonic() + web.TIMEOUT - AGAIN
        try:
            while not self._watched(time.monotonic() >= end):
                if self._over.wait(AGAIN):
                    return
        except (OSError, http.client.HTTPException, web.NoAnswer) as error:
            if not self._ready.is_set():
                self._problem = error
        finally:
            self._ready.set()

    def _watched(self, is_last: bool) -> bool:
        """Reads to the end; False if all places are taken."""
        with web.stream(self.url, self.path, self.headers, LONGEST) as response:
            if response.status == FULL and not is_last:
                return False
            if response.status != 200:
                raise web.NoAnswer(f"/api/tail answered {response.status}")
            while not self._over.is_set() and (line := response.readline()):
                self._ready.set()
                self._take(line)
        return True

    def _take(self, line: bytes) -> None:
        try:
            read = json.loads(line or b"null")
        except ValueError:
            return
        if isinstance(read, Mapping) and self.matches(read):
            self.found.append(read)
            self._seen.set()
