"""The process in which things happen (`manage.py demo_activity`), and the orders to it."""

import itertools
import json
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import stack
from control.supervisor import Refused

#: Seconds for an order: longer than Redis is frozen and than 500 events take, and shorter than a page waits.
ANSWER = 50.0
SPEEDS = (0.5, 4.0)


class Activity(stack.Part):
    """Each start has a socket of its own for orders, which no other process can open."""

    def __init__(self, directory: Path, env: Mapping[str, str]):
        super().__init__("activity", [], directory, self._is_ready, env)
        self.speed, self.paused = 1.0, False
        self._ids = itertools.count(1)
        self._lock, self._pacing = threading.Lock(), threading.Lock()
        self._orders: socket.socket | None = None
        self._received, self._has_begun = b"", False

    def start(self) -> "Activity":
        with self._lock:
            if self._orders is not None:
                self._orders.close()
            self._orders, theirs = socket.socketpair()
            self._received, self._has_begun = b"", False
            self.fds = (theirs.fileno(),)
            pace = ["--speed", self.speed, *(["--paused"] if self.paused else [])]
            argv = [stack.PYTHON, stack.MANAGE, "demo_activity", "--prepare", "--orders", theirs.fileno(), *pace]
            self.argv = [str(word) for word in argv]
            with theirs:
                super().start()
        return self

    def pace(self, speed: float, paused: bool) -> None:
        with self._pacing:
            self.order("pace", speed=speed, paused=paused)
            self.speed, self.paused = speed, paused

    def order(self, do: str, **values) -> dict:
        """Sends an order and waits for its answer."""
        with self._lock:
            number = next(self._ids)
            if self._orders is None:
                raise Refused("the activity has not begun yet; try again")
            try:
                self._orders.settimeout(ANSWER)
                self._orders.sendall(json.dumps({"id": number, "do": do, **values}).encode() + b"\n")
                answer = self._answer(number, time.monotonic() + ANSWER)
            except OSError:
                raise Refused("the activity does not answer now; try again") from None
        if "failed" in answer:
            raise Refused(f"it failed: {answer['failed']}")
        return answer["done"] or {}

    def _answer(self, number: int, end: float) -> dict:
        while time.monotonic() < end:
            line = self._line(end - time.monotonic())
            # First may come an answer that was too late for its order, or the line that it is ready.
            self._has_begun |= "ready" in line
            if line.get("id") == number:
                return line
        raise TimeoutError

    def _line(self, seconds: float) -> dict:
        while b"\n" not in self._received:
            self._orders.settimeout(max(seconds, 0.001))
            data = self._orders.recv(1 << 16)
            if not data:
                raise ConnectionResetError
            self._received += data
        line, self._received = self._received.split(b"\n", 1)
        return json.loads(line)

    def _is_ready(self) -> bool:
        """Its first line says so."""
        with self._lock:
            try:
                self._has_begun = self._has_begun or "ready" in self._line(0.001)
            except OSError:
                return False
            return self._has_begun
