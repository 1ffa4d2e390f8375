"""Whether `publish()` keeps to the transaction: what is rolled back must not be sent."""

from collections.abc import Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings

from channelgate.doctor import sends
from channelgate.doctor.context import Context
from channelgate.doctor.result import Result, fail, ok, skip

#: Seconds for a message that was sent.
PATIENCE = 3.0


def rolled_back(context: Context) -> Iterator[Result]:
    """Publishes in a transaction that is rolled back, and then without one, to a group of this process alone."""
    if settings.DATABASES.get("default", {}).get("ENGINE", "").endswith("dummy"):
        yield skip("publish() in a transaction: there is no database")
        return
    match sends.run(_both):
        case {"sent": "after"}:
            yield ok("publish() inside a rolled-back transaction sent nothing")
        case {"sent": "inside"}:
            yield fail(
                "publish() inside a rolled-back transaction sent its event",
                'Set CHANNELGATE["PUBLISH"]["ON_COMMIT"] to True.',
            )
        case _:
            yield fail(
                f"publish() sent nothing within {PATIENCE:.0f} s",
                'CHANNELGATE["REDIS_URL"] and "hosts" of CHANNEL_LAYERS name the same Redis; the log has the error.',
            )


async def _both() -> Any:
    """The first message that arrives: messages of one process keep their order."""
    group = sends.name()
    async with sends.layer() as layer, sends.membership(layer, group) as channel:
        await sync_to_async(_publish, thread_sensitive=False)(group)
        return await sends.received(layer, channel, PATIENCE)


def _publish(group: str) -> None:
    from django.db import connections, transaction

    from channelgate.publishing import publish

    try:
        with transaction.atomic():
            # Whatever the project's own way is: only the layer can be heard here.
            publish(group, {"type": sends.TYPE, "sent": "inside"}, via="layer")
            transaction.set_rollback(True)
        publish(group, {"type": sends.TYPE, "sent": "after"}, on_commit=False, via="layer")
    finally:
        connections.close_all()
