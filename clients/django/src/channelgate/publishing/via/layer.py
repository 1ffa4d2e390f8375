"""The project's own channel layer: a layer of channels_redis in the background loop, any other where the caller is."""

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Sequence
from typing import Any

from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured

from channelgate import places
from channelgate.conf import conf
from channelgate.locks import Lock
from channelgate.publishing import failures
from channelgate.publishing.attempts import PAUSE, Attempts
from channelgate.publishing.background import background
from channelgate.publishing.values import Message

WAY = "layer"
_lock = Lock()
#: How long a caller waits beyond the end of the last attempt, in seconds: the loop answers unless it cannot run.
GRACE = 0.5


def of_settings() -> "Shared | Local":
    """The default layer."""
    from channelgate.publishing.via import needs

    needs("channels", "layer", "publishing by way of the channel layer")
    # Threads that ask at once would each make one.
    with _lock:
        layer = _default()
    if layer is None:
        raise ImproperlyConfigured('CHANNEL_LAYERS has no layer "default"')
    return Shared(layer) if places.is_redis_layer() else Local(layer)


def _default() -> Any:
    from channels.layers import get_channel_layer

    return get_channel_layer()


class Local:
    """A layer that belongs to the loop of its consumers, as the one in memory."""

    def __init__(self, layer: Any):
        self.layer = layer

    def send(self, messages: Sequence[Message]) -> None:
        """As Channels has it."""
        async_to_sync(self.asend)(messages)

    async def asend(self, messages: Sequence[Message]) -> None:
        """In the loop of the caller."""
        for number, (group, event) in enumerate(messages):
            try:
                await self.layer.group_send(group, event)
            except Exception as error:
                await asyncio.to_thread(failures.failed, messages[number:], error, WAY)
                return


class Shared:
    """A layer whose connections stay open in the background loop."""

    def __init__(self, layer: Any):
        self.layer = layer

    def send(self, messages: Sequence[Message]) -> None:
        """Waits in this thread."""
        for number, message in enumerate(messages):
            attempts = Attempts(WAY)
            future = background().submit(self._tried(message, attempts))
            try:
                future.result(attempts.timeout + GRACE)
            except (Exception, concurrent.futures.CancelledError) as error:
                future.cancel()
                attempts.gave_up()
                failures.failed(messages[number:], error, WAY)
                return
            attempts.succeeded()

    async def asend(self, messages: Sequence[Message]) -> None:
        """Waits on the caller's loop."""
        for number, message in enumerate(messages):
            attempts = Attempts(WAY)
            try:
                await asyncio.wrap_future(background().submit(self._tried(message, attempts)))
            except Exception as error:
                attempts.gave_up()
                # A receiver of the signal may ask the database.
                await asyncio.to_thread(failures.failed, messages[number:], error, WAY)
                return
            attempts.succeeded()

    async def _tried(self, message: Message, attempts: Attempts) -> None:
        try:
            await _within(self._sent(message), attempts.left())
        except Exception:
            if not attempts.again():
                raise
            await asyncio.sleep(PAUSE)
            await _within(self._sent(message), attempts.left())

    async def _sent(self, message: Message) -> None:
        async with background().gate(conf().publish.connections):
            await self.layer.group_send(*message)


async def _within(work: Awaitable[None], seconds: float) -> None:
    """Ends the work when its time is over, without waiting for its end."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=max(seconds, 0))
    finally:
        if not task.done():
            task.cancel()
    if not task.done():
        raise TimeoutError("Redis did not answer in time")
    task.result()
