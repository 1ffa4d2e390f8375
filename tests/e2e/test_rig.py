"""The tests' own tools: what they say must not depend on chance."""

import asyncio
import contextlib
import subprocess
import threading

import pytest
import stack
from rig.raw import PING, Raw, encode


@contextlib.asynccontextmanager
async def chattering(seconds: float):
    """A server that sends pings without a pause for some seconds, and then closes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    links = []

    async def ping(_, writer: asyncio.StreamWriter) -> None:
        links.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            while loop.time() < end:
                writer.write(encode(PING, b"", mask=False))
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(ping, stack.LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        end = 0
        server.close()
        await asyncio.gather(*links)


@pytest.mark.parametrize("wait", [Raw.close_code, Raw.ended])
async def test_a_deadline_ends_a_wait_even_if_something_arrives_all_the_time(wait):
    """The deadline comes together with a frame, and the frame must not undo it."""
    async with chattering(60) as port:
        raw = await Raw.tcp(port)
        with pytest.raises(TimeoutError):
            await wait(raw, 0.2)
        raw.abort()


def test_a_part_outlives_the_thread_that_started_it(tmp_path):
    """A thread of an event loop ends with its test, before the test's servers are stopped."""
    part = stack.Part("sleeper", ["sleep", "60"], tmp_path, lambda: True)
    thread = threading.Thread(target=part.start)
    thread.start()
    thread.join()
    with pytest.raises(subprocess.TimeoutExpired):
        part.join(0.5)
    part.stop()
