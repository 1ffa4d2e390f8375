"""What the control process sends to pages, in order: events that Django has sent, facts, and states of nodes.

In: lines of `sent.jsonl`, which Django's processes write, and `publish`. Out: entries, to any number of readers. Only
the newest entries are kept.
"""

import collections
import dataclasses
import itertools
import json
import os
import threading
import time
from pathlib import Path

#: Entries that are kept, for readers that reconnect; and seconds between looks at the file.
KEPT, LOOK = 5000, 0.03
#: Bytes of the longest line that is passed on.
LONGEST = 64 << 10


@dataclasses.dataclass(frozen=True)
class Entry:
    place: int
    #: `sent`, or the name of an event.
    kind: str
    data: str


class Stream:
    def __init__(self, path: Path, stopping: threading.Event):
        self.path, self.stopping = path, stopping
        #: Of this program: numbers of events begin anew with it.
        self.run = time.time_ns() // 1000
        self._entries: collections.deque[Entry] = collections.deque(maxlen=KEPT)
        self._places = itertools.count(1)
        self._news = threading.Condition()

    def publish(self, kind: str, data: object) -> None:
        self._add(kind, json.dumps(data))

    def fact(self, text: str) -> None:
        """What the control process did."""
        self.publish("fact", {"at": int(time.time() * 1000), "text": text})

    def start(self) -> None:
        threading.Thread(target=self._follow, daemon=True, name="sent.jsonl").start()

    def now(self) -> int:
        """The place of the newest entry."""
        with self._news:
            return self._entries[-1].place if self._entries else 0

    def id(self, place: int) -> str:
        """Of an entry, for a reader that comes back."""
        return f"{self.run}-{place}"

    def place_of(self, id: str) -> int:
        """The place of the entry with this id; that of the newest entry if it is not one of this run."""
        run, _, place = id.partition("-")
        known = run == str(self.run) and place.isdecimal() and len(place) < 20
        return min(int(place), self.now()) if known else self.now()

    def after(self, place: int, seconds: float) -> list[Entry]:
        """The entries after a place, as soon as there is one; none after so many seconds, or at the end."""
        with self._news:
            self._news.wait_for(lambda: self._has_news(place) or self.stopping.is_set(), seconds)
            return [entry for entry in self._entries if entry.place > place] if self._has_news(place) else []

    def wake(self) -> None:
        """Lets all readers look whether this is the end."""
        with self._news:
            self._news.notify_all()

    def _has_news(self, place: int) -> bool:
        return bool(self._entries) and self._entries[-1].place > place

    def _add(self, kind: str, data: str) -> None:
        with self._news:
            self._entries.append(Entry(next(self._places), kind, data))
            self._news.notify_all()

    def _follow(self) -> None:
        file, rest = None, b""
        while not self.stopping.wait(LOOK):
            if file is None:
                try:
                    file = self.path.open("rb")
                except FileNotFoundError:
                    continue
            # Asked before the read: what was renamed gets no further line after this.
            is_former = not self._is(file)
            while data := file.read(1 << 20):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._line(line)
                # A line without an end is not one of Django's.
                rest = rest if len(rest) <= LONGEST else b""
            if is_former:
                file.close()
                file, rest = None, b""

    def _is(self, file) -> bool:
        try:
            return os.fstat(file.fileno()).st_ino == self.path.stat().st_ino
        except FileNotFoundError:
            return False

    def _line(self, line: bytes) -> None:
        try:
            text = line.decode()
            json.loads(text)["n"]
        except (ValueError, TypeError, KeyError):
            return
        if len(line) <= LONGEST:
            self._add("sent", text)
