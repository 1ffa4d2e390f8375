"""Where the time of a Django process goes, by function group: samples of py-spy while the generator runs."""

import contextlib
import json
import re
import subprocess
from pathlib import Path

from .paths import WORK

SPY = WORK / "venv" / "bin" / "py-spy"
RATE = 500
#: A sample belongs to the first group that has a frame of it, from the innermost frame outwards.
GROUPS: tuple[tuple[str, str], ...] = (
    ("signatures", r"channelgate/signature|\(hmac\.py|_sign \(|_key \("),
    ("JSON", r"\(json/"),
    ("state: unpack and restore", r"unseal \(|restore \(|decode \(|members .*tree|restore_needs_database"),
    ("state: capture and pack", r"seal \(|capture|encode \(|_pack \(|baseline|sharing|channelgate/bridge/state/"),
    ("user and end line", r"bridge/(ends|people|exports)|channelgate/users"),
    ("commands and lines", r"bridge/(reply|protocol|layers|values|call)\."),
    ("consumer: project, Channels, database", r"\(channels/|chat/consumers|\(django/|\(asgiref/|concurrent/futures"),
    ("call: request, set-up, leftovers", r"\(channelgate/"),
    ("HTTP server and event loop", r"uvicorn|uvloop|httptools|asyncio"),
)
#: Samples of the connects before the messages.
_CONNECT = re.compile(r"_whole \(|_worker \(")
_GROUPS = tuple((name, re.compile(pattern)) for name, pattern in GROUPS)


def group_of(stack: str) -> str:
    """The group of a sample: frames from the outermost to the innermost, separated by semicolons."""
    for frame in reversed(stack.split(";")):
        for name, pattern in _GROUPS:
            if pattern.search(frame):
                return name
    return _GROUPS[-1][0]


class Profiler:
    """py-spy on one process; without it, or without the right to trace, there is no profile."""

    def __init__(self, pid: int, directory: Path):
        self.out = directory / "profile.txt"
        argv = [SPY, "record", "--pid", str(pid), "--rate", str(RATE), "--format", "raw", "--gil", "-o", self.out]
        self.process = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end(self) -> dict[str, float]:
        """Ends the recording; the share of each group."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(2)
        self.process.wait(30)
        counts: dict[str, int] = {}
        for line in self.out.read_text().splitlines() if self.out.exists() else ():
            stack, _, count = line.rpartition(" ")
            if _CONNECT.search(stack):
                continue
            group = group_of(stack)
            counts[group] = counts.get(group, 0) + int(count)
        total = sum(counts.values())
        return {name: round(counts.get(name, 0) / total, 4) for name, _ in GROUPS} if total else {}


__all__ = ["GROUPS", "SPY", "Profiler", "group_of", "json"]
