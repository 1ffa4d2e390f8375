"""The same actions through the channel layer: `ChannelNameRouter({"gate": GateConsumer.as_asgi()})` and
`manage.py runworker gate`."""

from collections.abc import Mapping
from typing import Any

from channels.consumer import AsyncConsumer

from channelgate.answers import aanswer


class GateConsumer(AsyncConsumer):  # type: ignore[misc]
    """Answers the questions of nodes with `backend.worker`."""

    async def channelgate_call(self, call: Mapping[str, Any]) -> None:
        """One question."""
        status, body = await aanswer(call)
        await self.channel_layer.send(
            call["reply_channel"], {"type": "channelgate.answer", "id": call["id"], "status": status, "body": body}
        )
