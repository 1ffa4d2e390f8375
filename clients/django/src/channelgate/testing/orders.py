"""Orders to the nodes in a test: `disconnect()`, the end of a login, `join()` and `leave()` do not go through Redis."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Protocol
from unittest.mock import patch

from asgiref.sync import sync_to_async

from channelgate import membership, orders
from channelgate.identity import user_id
from channelgate.membership import Membership


class Taker(Protocol):
    """What carries orders out in a test."""

    def disconnect(self, order: dict[str, Any]) -> int:
        """As nodes get it; returns how many heard it."""
        ...

    def change(self, order: dict[str, Any]) -> Membership:
        """`user`, and `join` or `leave` with the group, and `consumer` if it is for one."""
        ...


@contextlib.contextmanager
def diverted(taker: Taker) -> Iterator[None]:
    """Hands orders to `taker`."""

    def send(order: dict[str, Any]) -> int:
        return taker.disconnect(order)

    async def publish(channel: str, order: dict[str, Any]) -> int:
        return await asyncio.to_thread(taker.disconnect, order)

    def order(change: str, user: Any, group: str, consumer: str | None, timeout: float) -> Membership:
        return taker.change(_order(change, user_id(user), group, consumer))

    async def aorder(change: str, user: Any, group: str, consumer: str | None, timeout: float) -> Membership:
        identity = await sync_to_async(user_id, thread_sensitive=True)(user)
        return await asyncio.to_thread(taker.change, _order(change, identity, group, consumer))

    ending = ("send", send) if hasattr(orders, "send") else ("publish", publish)
    with (
        patch.object(orders, *ending),
        patch.object(membership, "_order", order),
        patch.object(membership, "_aorder", aorder),
    ):
        yield


def _order(change: str, identity: str | None, group: str, consumer: str | None) -> dict[str, Any]:
    if identity is None:
        raise ValueError("an anonymous user has no connections that could be found")
    if not isinstance(group, str) or not group:
        raise ValueError("the name of a group is text, and not empty")
    order = {"user": identity, change: str.__str__(group)}
    return order if consumer is None else {**order, "consumer": consumer}
