"""Publishes in a process, in three children that it forks while it publishes, and in itself again."""

import os
import sys
import threading
import warnings

from standing import set_up

set_up()
# Python says that a fork beside threads may fail: that it does not is what is tested.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
# The child's copies of the parent's connections are never closed.
warnings.filterwarnings("ignore", category=ResourceWarning)

from channelgate import publish  # noqa: E402


def note(name):
    return {"type": "note", "name": name}


publish("g", note("before"))


def publish_on():
    for number in range(60):
        publish("g", note(f"parent {number}"))


busy = threading.Thread(target=publish_on)
busy.start()
children = []
for own in range(3):
    pid = os.fork()
    if pid == 0:
        for number in range(30):
            publish("g", note(f"child {own} {number}"))
        sys.exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0, "a child has failed"
busy.join()
publish("g", note("after"))
