"""A call over ASGI: the lines leave as the consumer acts, and a node that has gone is noticed."""

import asyncio
import contextvars
import weakref
from typing import Any

from channelgate import answers
from channelgate.bridge import reply, request
from channelgate.bridge.entry import Receive, Send, respond
from channelgate.bridge.refusals import Refused
from channelgate.bridge.run import GRACE, Runner

#: Seconds after which a call is worth a task that waits for the request to be closed; twice that at most. In a busy
#: process short calls wait for each other. Before it publishes, a call learns at once of a node that has gone.
WATCH_AFTER = 0.25
#: Seconds after which a call asks whether its node is still there before it publishes. A server takes what is sent to
#: a node that has gone, and says nothing. Asking costs a shorter call more than the moments it would save.
LOOK_AFTER = 0.01


async def serve(runner: Runner, body: bytes, receive: Receive, send: Send) -> None:
    """Answers one request of the node, whose signature was right."""
    try:
        items, batch = request.read(body)
    except request.Malformed as malformed:
        await respond(send, 400, answers.dumps({"message": str(malformed)}))
        return
    except Refused as refused:
        await respond(send, 200, reply.line(refused.end), reply.CONTENT_TYPE)
        return
    loop = asyncio.get_running_loop()
    watch = Watch(receive, loop)
    out = Body(send, watch)
    clock = clock_of(loop)
    clock.add(watch)
    try:
        await run_all(runner, items, batch, out.lines)
    finally:
        clock.discard(watch)
        watch.stop()
    if not out.lines.gone:
        await out.finish()
        out.lines.close()


async def run_all(runner: Runner, items: list[request.Item], batch: bool, lines: reply.Lines) -> None:
    """Runs the calls of a request: those of a batch at the same time."""
    if not batch:
        lines.calls.append(current_task())
        await runner.run(items[0], lines)
        return
    lines.calls.extend(
        asyncio.ensure_future(runner.run(item, reply.Numbered(lines, number))) for number, item in enumerate(items)
    )
    for result in await asyncio.gather(*lines.calls, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def depart(lines: reply.Lines) -> None:
    """The node has gone: its calls have a while to end."""
    await lines.depart()
    running = [task for task in lines.calls if not task.done()]
    if running:
        _, running_still = await asyncio.wait(running, timeout=GRACE)
        for task in running_still:
            task.cancel()


class Watch:
    """Waits for the request to be closed. Short calls end before it begins."""

    __slots__ = ("_context", "_loop", "_receive", "_since", "_task", "lines")

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        #: Set by the body that has them.
        self.lines: reply.Lines
        self._receive, self._loop, self._since = receive, loop, loop.time()
        self._task: asyncio.Task[None] | None = None
        self._context = contextvars.copy_context()

    def begin(self) -> None:
        """The call has become a long one."""
        if self._task is None:
            self._task = self._context.run(self._loop.create_task, self._watch())

    async def look(self) -> None:
        """Learns what the server knows by now."""
        if self._loop.time() - self._since > LOOK_AFTER:
            self.begin()
            # The loop hears of closed connections, and the watch of this one.
            await asyncio.sleep(0)

    async def _watch(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                break
            # A server that has nothing to say would otherwise be asked without end.
            await asyncio.sleep(WATCH_AFTER)
        await depart(self.lines)

    def stop(self) -> None:
        """The calls have ended."""
        # What the task was cancelled with refers to this watch: without the way back all are freed at once.
        task, self._task = self._task, None
        if task is not None and not self.lines.gone:
            task.cancel()


class Clock:
    """Begins the watches of long calls. One timer of the event loop serves all requests, which end before it mostly:
    a timer for each would cost them more, and leave the loop's queue full of those that were cancelled."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._young: set[Watch] = set()
        self._old: set[Watch] = set()
        self._runs = False

    def add(self, watch: Watch) -> None:
        """A call begins."""
        self._young.add(watch)
        if not self._runs:
            self._schedule()

    def discard(self, watch: Watch) -> None:
        """A call has ended."""
        self._young.discard(watch)
        self._old.discard(watch)

    def _schedule(self) -> None:
        loop = self._loop()
        self._runs = loop is not None
        if loop is not None:
            loop.call_later(WATCH_AFTER, self._tick, context=contextvars.Context())

    def _tick(self) -> None:
        for watch in self._old:
            watch.begin()
        self._old, self._young = self._young, set()
        self._runs = False
        if self._old:
            self._schedule()


_clocks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Clock] = weakref.WeakKeyDictionary()


def clock_of(loop: asyncio.AbstractEventLoop) -> Clock:
    """The clock of an event loop."""
    clock = _clocks.get(loop)
    if clock is None:
        clock = _clocks[loop] = Clock(loop)
    return clock


class Body:
    """The response: one message if everything is there at once, else a stream."""

    def __init__(self, send: Send, watch: Watch) -> None:
        self._send = send
        self._started = False
        self.lines = watch.lines = reply.Lines(self._piece, watch.look)

    async def _piece(self, data: bytes) -> None:
        await self._start(None)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _start(self, length: int | None) -> None:
        if self._started:
            return
        self._started = True
        headers = [(b"content-type", reply.CONTENT_TYPE), (b"cache-control", b"no-store")]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def finish(self) -> None:
        """Sends what is left, and ends the response."""
        await self.lines.settle()
        data = self.lines.take()
        await self._start(len(data))
        await self._send({"type": "http.response.body", "body": data, "more_body": False})
