"""Many events at once: saved in one transaction, published after it, by one connection."""

import random

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from activity.layer import gathered
from activity.scenes import attendance, parking, visitors

#: What makes one event each, half of them for the feed. Every page gets all of them, whichever of the five systems it
#: shows, so that 500 sent are 500 to count.
MAKERS = [visitors.touch, attendance.touch, visitors.touch, parking.touch]


def burst(number: int) -> int:
    """Publishes this many events; returns how many went out before Redis failed."""
    generator = random.Random()
    with gathered() as events, transaction.atomic():
        for turn in range(number):
            MAKERS[turn % len(MAKERS)](generator)
    return async_to_sync(_send)(events)


async def _send(events) -> int:
    layer = get_channel_layer()
    for turn, (group, event) in enumerate(events):
        try:
            await layer.group_send(group, event)
        except Exception:
            # The failed event is on record; the others would each wait for Redis.
            return turn
    return len(events)
