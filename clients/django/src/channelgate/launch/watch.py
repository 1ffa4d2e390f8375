"""Watches a node's file in development, and asks the node to read it again: SIGHUP after each change.

A program of its own, without Django: `python watch.py PID FILE DIGEST [KEY…]`. It is a child of the node, and ends with
it. The digest is that of the file which the node was started with. The keys are those that the environment sets: the
file has no effect on them until the node is started anew.
"""

import hashlib
import importlib
import os
import signal
import sys
import time

#: Seconds between two looks. Two equal ones make a change: an editor may write a file in several steps.
PAUSE = 0.25


def main(arguments: list[str]) -> None:
    """Runs until the node ends."""
    pid, path, keys = int(arguments[0]), arguments[1], arguments[3:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    file = File(arguments[2])
    while os.getppid() == pid:
        time.sleep(PAUSE)
        if not file.has_changed(digest(path)):
            continue
        for key in set_by(path, keys):
            say(f"{path}: {key} is also set by the environment of this node; start it anew for the file's value")
        if os.getppid() == pid:
            os.kill(pid, signal.SIGHUP)


class File:
    """What was seen of the file."""

    def __init__(self, now: str) -> None:
        self.in_effect = self.seen = now

    def has_changed(self, now: str) -> bool:
        """Whether the file is another one, and stays so: it was the same at the look before."""
        is_whole, self.seen = now == self.seen, now
        if not now or now == self.in_effect or not is_whole:
            return False
        self.in_effect = now
        return True


def content(path: str) -> bytes | None:
    """The file's bytes; None while it is not there."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (without the time to import pathlib)
            return file.read()
    except OSError:
        return None


def digest(path: str) -> str:
    """The file's content in short; empty while it is not there."""
    found = content(path)
    return "" if found is None else hashlib.sha256(found).hexdigest()


def set_by(path: str, keys: list[str]) -> list[str]:
    """Which of the keys the file sets; none if it cannot be read."""
    try:
        # Python 3.10 has no reader of its own.
        reader = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
        found = reader.loads((content(path) or b"").decode())
    except (ImportError, ValueError):
        return []
    return [key for key in keys if _has(found, key.split("."))]


def _has(table: object, path: list[str]) -> bool:
    for part in path:
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


def say(text: str) -> None:
    """A line beside the node's log."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
