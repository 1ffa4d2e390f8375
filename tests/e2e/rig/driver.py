"""The Node process that runs the real socket.io-client for the tests. Its other end is tests/socketio."""

import asyncio
import base64
import contextlib
import itertools
import json
import subprocess
import threading
from concurrent.futures import Future

import stack

from .deadline import in_time

FOLDER = stack.ROOT / "tests" / "socketio"


class DriverError(Exception):
    """The driver could not carry out a command; for instance, an acknowledgement did not come."""


class Driver:
    """One process for the whole run; each test opens its own sockets in it."""

    def __init__(self):
        self.numbers = itertools.count(1)
        self.answers: dict[int, Future] = {}
        self.listeners: dict[str, tuple[asyncio.AbstractEventLoop, object]] = {}
        self.process = subprocess.Popen(
            [stack.tool("node"), FOLDER / "driver.js"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            message = unpack(json.loads(line))
            if "answer" in message:
                answer = self.answers.pop(message["answer"])
                if "error" in message:
                    answer.set_exception(DriverError(message["error"]))
                else:
                    answer.set_result(message["value"])
            elif listener := self.listeners.get(message["socket"]):
                loop, heard = listener
                # The loop is closed if a test has ended before its sockets.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(heard, message)

    async def tell(self, do: str, **parameters):
        """Runs one command and returns its result."""
        number = next(self.numbers)
        self.answers[number] = Future()
        answer = asyncio.wrap_future(self.answers[number])
        self.process.stdin.write(json.dumps(pack({"number": number, "do": do, **parameters})) + "\n")
        self.process.stdin.flush()
        return await in_time(30, answer)

    def listen(self, socket: str, heard) -> None:
        """Passes the reports about a socket to the current loop."""
        self.listeners[socket] = (asyncio.get_running_loop(), heard)

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def pack(value):
    """Bytes for JSON."""
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: pack(inner) for key, inner in value.items()}
    return [pack(inner) for inner in value] if isinstance(value, list | tuple) else value


def unpack(value):
    if isinstance(value, dict):
        if set(value) == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {key: unpack(inner) for key, inner in value.items()}
    return [unpack(inner) for inner in value] if isinstance(value, list) else value
