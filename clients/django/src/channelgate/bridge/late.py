"""What a consumer sends after its call has ended is lost: the log says so, once per class in ten seconds."""

import logging
import time

logger = logging.getLogger("channelgate.bridge")

#: Seconds between two lines about one class.
PAUSE = 10
_last: dict[str, float] = {}


def report(who: str, handler: str, what: str) -> None:
    """A command came from something that outlived its handler."""
    now = time.monotonic()
    if now - _last.get(who, -PAUSE) < PAUSE:
        return
    _last[who] = now
    logger.error(
        "%s did %r after %s() had ended, and it is lost: a consumer that sends on its own has to stay with Daphne, or"
        " its loop has to become a worker's that calls group_send",
        who,
        what,
        handler,
    )
