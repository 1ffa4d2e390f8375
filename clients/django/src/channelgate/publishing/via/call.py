"""In a call of the bridge, what a handler publishes is a command of the call, in its place among the others."""

from collections.abc import Sequence
from typing import Any

from asgiref.sync import async_to_sync

from channelgate.bridge.context import CALL
from channelgate.publishing.values import Message


def is_running() -> bool:
    """Whether this code runs in a call, whose commands reach the default layer."""
    call = CALL.get()
    return call is not None and call.serves("default")


class Call:
    """The layer of the call."""

    def send(self, messages: Sequence[Message]) -> None:
        """From the thread of a sync consumer, to the loop of the call."""
        async_to_sync(self.asend)(messages)

    async def asend(self, messages: Sequence[Message]) -> None:
        """What the layer raises concerns the call."""
        layer = _layer()
        for group, event in messages:
            await layer.group_send(group, event)


def _layer() -> Any:
    from channels.layers import get_channel_layer

    return get_channel_layer()
