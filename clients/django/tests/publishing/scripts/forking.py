"""Publishes in a process, in three children that it forks while it publishes, and in itself again."""

import asyncio
import os
import sys
import threading
import warnings

from standing import set_up

set_up()
# Python says that a fork beside threads may fail: that it does not is what is tested.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
# The child's copies of the parent's connections are never closed.
warnings.filterwarnings("ignore", category=ResourceWarning)

from channelgate import publish  # noqa: E402
from channelgate.publishing.background import background  # noqa: E402


def note(name):
    return {"type": "note", "name": name}


publish("g", note("before"))


async def connect():
    """A connection of the background loop, as those of the layer are."""
    reader, writer = await asyncio.open_unix_connection(os.environ["PUBLISHING_REDIS"].removeprefix("unix://"))
    return reader, writer, asyncio.get_running_loop()


async def ping(times):
    writer.write(b"PING\r\n" * times)
    return await reader.readexactly(len(b"+PONG\r\n") * times)


async def more(seconds):
    reading = asyncio.ensure_future(reader.read(1))
    done, _ = await asyncio.wait({reading}, timeout=seconds)
    reading.cancel()
    return done


reader, writer, loop = background().submit(connect()).result(5)


def publish_on():
    for number in range(60):
        publish("g", note(f"parent {number}"))


busy = threading.Thread(target=publish_on)
busy.start()
children = []
for own in range(3):
    pid = os.fork()
    if pid == 0:
        for number in range(30):
            publish("g", note(f"child {own} {number}"))
        # What a destructor may do.
        loop.call_soon_threadsafe(print)
        writer.write(b"PING\r\n")
        writer.close()
        sys.exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0, "a child has failed"
busy.join()
assert background().submit(ping(3)).result(5) == b"+PONG\r\n" * 3
assert background().loop is loop
assert not background().submit(more(0.1)).result(5), "a child has written"
writer.close()
publish("g", note("after"))
