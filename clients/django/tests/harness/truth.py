"""What Channels itself makes of a script: the application runs for the whole connection, as under Daphne."""

import asyncio
import time

from channelgate.bridge import protocol

CHANNEL = "specific.n1!c.k2Jx"
DEADLINE = 30


class Truth:
    def __init__(self, application, scope, layer, deny=False):
        self.layer = layer
        layer.channel_name = CHANNEL
        layer.resting = self._rest
        self.events = asyncio.Queue()
        self.waiting = 0
        self.disconnected = False
        self.status = protocol.CONNECTING
        self.deny = deny
        self.task = asyncio.ensure_future(application(scope, self._receive, self._send))

    def _rest(self):
        """A handler has ended: the client answers a close frame at once."""
        if self.status == protocol.CLOSING:
            self.status = protocol.CLOSED

    async def _receive(self):
        self._rest()
        self.waiting += 1
        try:
            return await self.events.get()
        finally:
            self.waiting -= 1

    async def _send(self, message):
        if self.disconnected:
            self.status = protocol.CLOSED
        command, self.status = protocol.command_of(message, self.status, self.deny)
        if command is not None:
            self.layer.trace.append(("do", command))

    def _idle(self):
        if self.task.done():
            return True
        queues = [queue for channel, queue in self.layer.queues.items() if channel == CHANNEL]
        return (
            self.waiting > 0 and self.events.empty() and all(queue.empty() for queue in queues) and self._layer_idle()
        )

    def _layer_idle(self):
        return self.layer.listening > 0 or not self.layer_used

    #: A plain application has no channel.
    layer_used = True

    async def step(self, event, lines=0):
        """One event; returns what the application did. `lines` are waited for beyond the handler's end."""
        began, self.layer.trace[:] = time.monotonic(), []
        self.disconnected = self.disconnected or event.get("type") == "websocket.disconnect"
        self.events.put_nowait(event)
        await asyncio.sleep(0)
        while not self._idle() or (len(self.layer.trace) < lines and not self.task.done()):
            assert time.monotonic() - began < DEADLINE, f"the application does not come to rest after {event}"
            await asyncio.sleep(0.001)
        trace = [_told(entry) for entry in self.layer.trace]
        return [*trace, *self._end()]

    def _end(self):
        if not self.task.done():
            return []
        if self.task.cancelled():
            return [("end", "cancelled")]
        error = self.task.exception()
        return [("end", "stopped")] if error is None else [("end", "error", type(error).__name__)]

    @property
    def over(self):
        return self.task.done()

    @property
    def closed(self):
        return self.status in (protocol.CLOSED, protocol.CLOSING)

    async def close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def _told(entry):
    """Groups of the own channel are reported as a node hears of them."""
    if entry[0] in ("group_add", "group_discard") and entry[2] == CHANNEL:
        return entry[:2]
    return entry
