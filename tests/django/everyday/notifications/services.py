from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer


def push(user_id, event):
    """To every open page of the user."""
    layer = get_channel_layer()
    if layer is not None:
        async_to_sync(layer.group_send)("notifications_%s" % user_id, event)  # noqa: UP031
