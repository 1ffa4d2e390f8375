"""What takes the layers' messages in a test of the project. In a running site it is empty."""

from typing import Any, Protocol


class Diversion(Protocol):
    """Takes messages instead of the layers."""

    async def group_send(self, layer: Any, group: str, message: dict[str, Any]) -> None: ...

    async def send(self, layer: Any, channel: str, message: dict[str, Any]) -> None: ...


#: The last one has them.
DIVERSIONS: list[Diversion] = []
