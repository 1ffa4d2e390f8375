"""When a message is sent: after the transaction in which it was published, or now."""

from collections.abc import Callable

from django.db import transaction

from channelgate.conf import conf


def waits(using: str | None, on_commit: bool | None) -> bool:
    """Whether this code is in a transaction whose end the message has to wait for."""
    wanted = conf().publish.on_commit if on_commit is None else on_commit
    return wanted and bool(transaction.get_connection(using).in_atomic_block)


def after(using: str | None, send: Callable[[], None]) -> None:
    """Sends after the commit. An error of it does not keep other callbacks from running."""
    transaction.on_commit(send, using=using, robust=True)
