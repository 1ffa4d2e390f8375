"""What a node has logged."""

import time

import stack

from .client import DEADLINE
from .http import Http


def whole_log(node: stack.Part) -> str:
    """The log with every line of what the node has done so far.

    A thread of its own writes the log, so a line may come after the answer that it is about.
    """
    end = time.monotonic() + DEADLINE
    while node.running and "\nchannelgate_log_waiting_bytes 0\n" not in _metrics(node):
        if time.monotonic() > end:
            raise AssertionError(f"{node.name} has not written its log within {DEADLINE:g} s")
        time.sleep(0.01)
    return node.log.read_text(errors="replace")


def _metrics(node: stack.Part) -> str:
    return Http(node.port).request_now("GET", "/metrics").body.decode()
