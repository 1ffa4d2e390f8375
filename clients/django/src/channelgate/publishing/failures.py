"""What becomes of messages that could not be sent: a signal for each, then a line in the log, or an exception."""

import logging
from collections.abc import Sequence

from django.dispatch import Signal

from channelgate.conf import conf
from channelgate.publishing.values import Message

logger = logging.getLogger("channelgate.publishing")

#: Sent for each message that could not be sent, with `group`, `event` and `error`.
publish_failed = Signal()


class NotPublished(Exception):
    """A message could not be sent; its cause is the error of the last attempt."""


def failed(messages: Sequence[Message], error: BaseException, way: str) -> None:
    """Tells of messages that were given up: `PUBLISH["ON_ERROR"]` says how."""
    for message in messages:
        told = publish_failed.send_robust(None, group=message.group, event=message.event, error=error)
        for _, outcome in told:
            if isinstance(outcome, Exception):
                logger.error("A receiver of publish_failed failed", exc_info=outcome)
    groups = ", ".join(dict.fromkeys(message.group for message in messages[:5]))
    text = f"{len(messages)} message(s) for {groups} could not be sent ({way}): {type(error).__name__}: {error}"
    if conf().publish.raises:
        raise NotPublished(text) from error
    logger.error(text)
