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
    import channelgate

    publish = getattr(channelgate, "publish", None)
    if publish is None:
        yield skip("publish() in a transaction: this release has no publish()")
        return
    if settings.DATABASES.get("default", {}).get("ENGINE", "").endswith("dummy"):
        yield skip("publish() in a transaction: there is no database")
        return
    first = sends.run(lambda: _both(publish))
    match first:
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


async def _both(publish: Any) -> Any:
    """The first message that arrives: messages of one process keep their order."""
    group = sends.name()
    async with sends.layer() as layer, sends.membership(layer, group) as channel:
        await sync_to_async(_publish, thread_sensitive=False)(publish, group)
        return await sends.received(layer, channel, PATIENCE)


def _publish(publish: Any, group: str) -> None:
    from django.db import connections, transaction

    try:
        with transaction.atomic():
            publish(group, {"type": sends.TYPE, "sent": "inside"})
            transaction.set_rollback(True)
        publish(group, {"type": sends.TYPE, "sent": "after"}, on_commit=False)
    finally:
        connections.close_all()
