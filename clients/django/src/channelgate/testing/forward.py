"""Hands to the node of a test what the project would send through Redis."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from channelgate.membership import Membership
from channelgate.testing.captured import valid

if TYPE_CHECKING:
    from channelgate.testing.gate import Gate


class Forward:
    """Hands to the node what the project publishes."""

    def __init__(self, gate: "Gate") -> None:
        self._gate = gate

    def add(self, group: str, event: Mapping[str, Any], using: str | None = None, on_commit: bool = False) -> None:
        """An event of `channelgate.publish`, when it would be sent."""
        self._gate.publish(group, event)

    async def group_send(self, layer: Any, group: str, message: dict[str, Any]) -> None:
        """An event of the project's own `channel_layer.group_send`."""
        json.dumps(valid(layer, "group", group, message))
        self._gate.publish(str(group), message)

    async def send(self, layer: Any, channel: str, message: dict[str, Any]) -> None:
        """A message for one channel, of a worker for instance: nobody is there in a test."""
        valid(layer, "channel", channel, message)
        if str(channel).startswith("specific"):
            raise NotImplementedError(
                f"channel_layer.send({channel!r}) from outside of the consumer needs Redis: the node of the tests has "
                "the embedded layer. Send to a group of this connection."
            )

    def disconnect(self, order: dict[str, Any]) -> int:
        """An order to end connections."""
        self._gate.post("/api/websocket/disconnect", order)
        return 1

    def change(self, order: dict[str, Any]) -> Membership:
        """An order to join or to leave a group."""
        body = dict(order)
        user = quote(body.pop("user"), safe="")
        change, done = ("join", "joined") if "join" in body else ("leave", "left")
        body["group"] = body.pop(change)
        data = self._gate.post(f"/api/websocket/user/{user}/{change}", body)["data"]
        refused = data.get("refused", 0)
        return Membership(connections=data["connections"], changed=data[done], refused=refused, nodes=1, silent=0)
