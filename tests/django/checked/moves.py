"""What `doctor --code` finds: an event that may be rolled back, and a group with any text in its name."""

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction


def move(order):
    with transaction.atomic():
        order.save()
        layer = get_channel_layer()
        async_to_sync(layer.group_send)(f"orders_{order.email}", {"type": "order.status", "status": "moved"})
