"""Time as a process has it: what it stands still on a busy machine does not count."""

import contextlib
import threading
import time

#: How often it looks, and the longest look that counts, in seconds.
LOOK, LONGEST = 0.01, 0.05


@contextlib.contextmanager
def within(seconds):
    """The block takes less than this. A thread counts the time: when the process cannot run, neither can the thread."""
    taken, over = [], threading.Event()

    def count():
        while not over.is_set():
            began = time.monotonic()
            over.wait(LOOK)
            taken.append(min(time.monotonic() - began, LONGEST))

    counting = threading.Thread(target=count, daemon=True)
    counting.start()
    try:
        yield
    finally:
        over.set()
        counting.join()
    assert sum(taken) < seconds
