"""A channel layer of one process that writes down what it is asked, in order."""

import asyncio

import msgpack
from channels.layers import BaseChannelLayer


def copy(message):
    """What comes out of Redis."""
    return msgpack.unpackb(msgpack.packb(message), strict_map_key=False)


class RecordingLayer(BaseChannelLayer):
    extensions = ["groups"]

    def __init__(self, **options):
        super().__init__(**options)
        self.channel_name = None
        self.trace = []
        self.groups = {}
        self.queues = {}
        self.listening = 0
        self.resting = lambda: None

    async def new_channel(self, prefix="specific."):
        return self.channel_name or prefix + "n!other"

    def queue(self, channel):
        return self.queues.setdefault(channel, asyncio.Queue())

    async def send(self, channel, message):
        assert isinstance(message, dict), "message is not a dict"
        self.require_valid_channel_name(channel)
        self.trace.append(("send_channel", channel, copy(message)))
        self.queue(channel).put_nowait(copy(message))

    async def receive(self, channel):
        self.resting()
        self.listening += 1
        try:
            return await self.queue(channel).get()
        finally:
            self.listening -= 1

    async def group_add(self, group, channel):
        self.require_valid_group_name(group)
        self.trace.append(("group_add", group, channel))
        self.groups.setdefault(group, {})[channel] = True

    async def group_discard(self, group, channel):
        self.require_valid_group_name(group)
        self.trace.append(("group_discard", group, channel))
        self.groups.get(group, {}).pop(channel, None)

    async def group_send(self, group, message):
        assert isinstance(message, dict), "message is not a dict"
        self.require_valid_group_name(group)
        self.trace.append(("group_send", group, copy(message)))
        for channel in list(self.groups.get(group, {})):
            self.queue(channel).put_nowait(copy(message))

    # Older releases of Channels have these names.
    if not hasattr(BaseChannelLayer, "require_valid_group_name"):
        require_valid_group_name = BaseChannelLayer.valid_group_name
        require_valid_channel_name = BaseChannelLayer.valid_channel_name
