"""When a send is tried, for how long, and when again. `TIMEOUT` is for all of it, so that no view waits longer."""

import time

from channelgate.conf import conf

#: Before the second attempt, in seconds.
PAUSE = 0.05
#: A second attempt needs this part of the time: what connecting and one answer may take (`exchange.SHARE`).
NEEDED = 2 / 3
#: After an attempt that took its time and failed, this part of it is enough for the next ones: a view that sends twenty
#: messages does not wait twenty times.
REDUCED = 1 / 20

#: Until when each way has one attempt, and until when the reduced time.
_once: dict[str, float] = {}
_until: dict[str, float] = {}


class Attempts:
    """The attempts for one message, or for messages that are sent together."""

    def __init__(self, way: str):
        self.way = way
        full = conf().publish.timeout
        self.began = time.monotonic()
        self.timeout = full * REDUCED if self.began < _until.get(way, 0) else full
        self.deadline = self.began + self.timeout
        self._full = full
        self._second = False

    def left(self) -> float:
        """Seconds until the end."""
        return self.deadline - time.monotonic()

    def again(self) -> bool:
        """Whether there is another attempt, after `PAUSE`."""
        if self._second or self.began < _once.get(self.way, 0) or self.left() - PAUSE < self.timeout * NEEDED:
            return False
        self._second = True
        return True

    def succeeded(self) -> None:
        """Redis answers: the next ones have the whole time."""
        _once.pop(self.way, None)
        _until.pop(self.way, None)

    def gave_up(self) -> None:
        """The next ones have one attempt, and less time if this took it; but one in a while has all of it."""
        now = time.monotonic()
        _once[self.way] = now + self._full
        if self.timeout == self._full and now - self.began > self._full / 2:
            _until[self.way] = now + self._full
