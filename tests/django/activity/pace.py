"""How fast things happen: it may be changed, paused and ended from another thread at any time."""

import random
import threading
import time

#: Seconds to wait for a pause: longer than Redis is frozen.
HOLDS = 15.0
#: Seconds at speed 1 for each event, and how many of them count: a burst at the same time counts as events, too.
EACH, MOST = (0.35, 0.65), 4


def pause(events: int, generator: random.Random) -> float:
    """The seconds at speed 1 after something that made so many events."""
    return min(max(events, 1), MOST) * generator.uniform(*EACH)


class Pace:
    def __init__(self, speed: float = 1.0, paused: bool = False):
        self._change = threading.Condition()
        self._speed, self._paused, self._ended = speed, paused, False
        self._is_waiting = False

    def set(self, speed: float, paused: bool) -> None:
        """Returns when a pause holds: what was just happening has happened, unless it takes too long."""
        with self._change:
            self._speed, self._paused = speed, paused
            self._change.notify_all()
            if paused:
                self._change.wait_for(lambda: self._is_waiting or self._ended or not self._paused, HOLDS)

    def end(self) -> None:
        with self._change:
            self._ended = True
            self._change.notify_all()

    def wait(self, seconds: float) -> bool:
        """Waits so long at speed 1, and longer while paused; false at the end."""
        left, before = seconds, time.monotonic()
        with self._change:
            self._is_waiting = True
            self._change.notify_all()
            while not self._ended and (self._paused or left > 0):
                speed = 0 if self._paused else self._speed
                self._change.wait(left / speed if speed else None)
                now = time.monotonic()
                left, before = left - (now - before) * speed, now
            self._is_waiting = False
            return not self._ended
