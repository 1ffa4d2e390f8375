"""What the checks send through the project's own channel layer, and how it is taken back."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

#: The type of what is sent; no consumer has a method for it, and none gets it.
TYPE = "channelgate.doctor"
Found = TypeVar("Found")


def name() -> str:
    """A name that nothing else has."""
    return f"{TYPE}.{secrets.token_hex(8)}"


@contextlib.asynccontextmanager
async def layer() -> AsyncIterator[Any]:
    """A layer as the project's own, with connections that are closed at the end."""
    from channels.layers import channel_layers

    made = channel_layers.make_backend("default")
    try:
        yield made
    finally:
        with contextlib.suppress(Exception):
            await _forget(made)
        close = getattr(made, "close_pools", None) or getattr(made, "flush", None)
        if close is not None:
            with contextlib.suppress(Exception):
                await close()


async def _forget(made: Any) -> None:
    """Deletes the receive queue of this layer object: a message may have come too late."""
    client = getattr(made, "client_prefix", None)
    if client is not None and hasattr(made, "consistent_hash"):
        queue = f"specific.{client}!"
        key = f"{made.prefix}{queue}"
        await made.connection(made.consistent_hash(queue)).delete(key, f"{key}$inflight")


@contextlib.asynccontextmanager
async def membership(made: Any, group: str) -> AsyncIterator[str]:
    """A channel of this process that is in the group meanwhile."""
    channel = await made.new_channel()
    await made.group_add(group, channel)
    try:
        yield channel
    finally:
        await made.group_discard(group, channel)


async def received(made: Any, channel: str, seconds: float) -> Any:
    """The next message of the channel, or None."""
    receiving = asyncio.ensure_future(made.receive(channel))
    done, _ = await asyncio.wait({receiving}, timeout=seconds)
    if done:
        return receiving.result()
    receiving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await receiving
    return None


def run(function: Callable[[], Awaitable[Found]]) -> Found:
    """Runs it on a loop of its own, in this thread."""

    async def whole() -> Found:
        return await function()

    return asyncio.run(whole())
