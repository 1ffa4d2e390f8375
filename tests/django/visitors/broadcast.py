"""How the visitor and staff apps publish."""

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer


def send_group_event(event, data):
    channel_layer = get_channel_layer()
    async_to_sync(channel_layer.group_send)("broadcast", {"type": "send_event", "event": event, "data": data})
