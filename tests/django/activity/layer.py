"""The core layer of channels_redis, which numbers events for the demonstration (`LAYER=numbered`).

Each event of one of the five systems gets `demo: {n, at}`: a number, and the time in ms since 1970. The browser finds
it where it finds the event's data. After the send, or its failure, the event becomes a line of `sent.jsonl`, with the
time of that as `done`: it went through Redis at some time between the two.
"""

import contextlib
import contextvars
import time

from channels_redis.core import RedisChannelLayer
from django.conf import settings

from activity.sent import SentLog

#: Of the repair shop all keys but the type go to the browser, so the number stands beside them.
REPAIR_SHOP = frozenset(
    {
        "notification_received",
        "notification_count_updated",
        "work_order_updated",
        "work_order_assignment_update",
        "repair_ticket_updated",
        "repair_ticket_update",
    }
)

sent = SentLog(settings.RUN_DIR)
#: Where events are collected instead of sent.
_gathered: contextvars.ContextVar[list | None] = contextvars.ContextVar("gathered", default=None)


def now() -> int:
    """In ms since 1970."""
    return int(time.time() * 1000)


def system_of(group: str, event: dict) -> str | None:
    """The system that an event belongs to, by the name of its preset; None for all others."""
    if group == "broadcast":
        return "feed"
    if group == "attendance_updates":
        return "attendance"
    if group.startswith("session."):
        return "tracker"
    if event.get("type") in REPAIR_SHOP:
        return "repair-shop"
    return "parking" if group == "notifications" or group.startswith("user_") else None


def numbered(system: str, event: dict, demo: dict) -> dict:
    """A copy of the event with its number."""
    if system != "repair-shop" and isinstance(event.get("data"), dict):
        return {**event, "data": {**event["data"], "demo": demo}}
    return {**event, "demo": demo}


@contextlib.contextmanager
def gathered():
    """Collects the events that this context publishes, as pairs of group and event; nothing is sent."""
    events = []
    token = _gathered.set(events)
    try:
        yield events
    finally:
        _gathered.reset(token)


class NumberedLayer(RedisChannelLayer):
    async def group_send(self, group, message):
        if (events := _gathered.get()) is not None:
            events.append((group, message))
        elif (system := system_of(group, message)) is None:
            await super().group_send(group, message)
        else:
            await self._send(system, group, message)

    async def _send(self, system, group, message):
        # Files on this machine: they take microseconds.
        demo = {"n": sent.take(), "at": now()}
        message = numbered(system, message, demo)
        line = {**demo, "group": group, "system": system, "message": message}
        if system == "parking":
            line["topic"] = message.get("notification_type", message["type"])
        try:
            await super().group_send(group, message)
        except BaseException as error:
            sent.write(**line, done=now(), error=str(error) or type(error).__name__)
            raise
        sent.write(**line, done=now())
