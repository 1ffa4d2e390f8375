"""The numbers of events, and the record of those that were sent: `sent.jsonl` in RUN_DIR, a JSON object a line.

Several processes and their threads number events: each number is taken once, and rises. The record has two files at
most: a full one becomes `sent.1.jsonl`.
"""

import contextlib
import fcntl
import json
import os
import threading
from pathlib import Path

#: Bytes of a full file, and of the longest message that a line repeats.
FULL, LONGEST = 8 << 20, 16 << 10


class SentLog:
    """In: what was sent. Out: numbers, and lines."""

    def __init__(self, directory: Path):
        self.path = directory / "sent.jsonl"
        self.former = directory / "sent.1.jsonl"
        self.counter = directory / "sent.number"
        #: How many events this process has numbered.
        self.count = 0
        self._lock = threading.Lock()
        self._file: int | None = None

    def take(self) -> int:
        """The next number."""
        with self._alone() as file:
            number = int(os.pread(file, 20, 0) or b"0") + 1
            os.pwrite(file, b"%020d" % number, 0)
            self.count += 1
        return number

    def write(self, **line) -> None:
        """Adds a line."""
        text = json.dumps(line["message"], default=str)
        if len(text) > LONGEST:
            line["message"] = {"type": line["message"].get("type"), "left_out": len(text)}
        data = json.dumps(line, default=str).encode() + b"\n"
        with self._alone():
            with contextlib.suppress(FileNotFoundError):
                if self.path.stat().st_size > FULL:
                    self.path.rename(self.former)
            with self.path.open("ab", buffering=0) as file:
                file.write(data)

    @contextlib.contextmanager
    def _alone(self):
        """One thread of one process at a time; a lock on a file is one of the process."""
        with self._lock:
            if self._file is None:
                self._file = os.open(self.counter, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield self._file
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
