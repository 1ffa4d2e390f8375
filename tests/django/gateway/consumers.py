from channels.consumer import AsyncConsumer
from channels.db import database_sync_to_async

from gateway.registry import answer


class CallConsumer(AsyncConsumer):
    """The same calls through the channel layer: `manage.py runworker channelgate`."""

    async def channelgate_call(self, call):
        status, body = await database_sync_to_async(answer)(call)
        await self.channel_layer.send(
            call["reply_channel"], {"type": "channelgate.answer", "id": call["id"], "status": status, "body": body}
        )
