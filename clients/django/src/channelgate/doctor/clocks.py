"""Check of the clocks: signatures and tokens have times in them."""

import datetime
import time
from collections.abc import Callable, Iterator

from channelgate.doctor import web
from channelgate.doctor.context import Context
from channelgate.doctor.result import Result, fail, ok, warn

#: Seconds from which a token that was made just now may be refused, and from which every call of the node is.
NOTICED, REFUSED = 2, 300


def clocks(context: Context, now: Callable[[], float] = time.time) -> Iterator[Result]:
    """The node's clock and this one."""
    before = now()
    answer = web.ask(context.node, "/api/websocket/health")
    after = now()
    body = answer.json()
    written = body.get("timestamp") if isinstance(body, dict) else None
    if not isinstance(written, str):
        return
    theirs = datetime.datetime.fromisoformat(written.replace("Z", "+00:00")).timestamp()
    apart = abs(theirs - (before + after) / 2)
    text = f"Clocks differ by {apart:.1f} s"
    cure = "Let both machines follow NTP (timedatectl)."
    if apart > REFUSED:
        yield fail(f"{text}: Django refuses every call of the node, and tokens end at the wrong time", cure)
    elif apart > NOTICED:
        yield warn(f"{text}: tokens end at the wrong time, and a token made just now may be refused", cure)
    else:
        yield ok(text)
