"""A real Redis for the tests, on a socket in the file system, and what hears there as nodes and consumers do."""

import asyncio
import json
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import redis
from django.utils.module_loading import import_string

#: How long a test waits for what has to come, in seconds.
PATIENCE = 30


class Server:
    """A Redis that can be killed, frozen and started again."""

    def __init__(self):
        # The path of a socket has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="cg-redis-"))
        self.socket = self.folder / "s"
        self.url = f"unix://{self.socket}"
        self.process = None
        self.start()

    def start(self):
        """Starts it, empty."""
        program = shutil.which("redis-server")
        assert program, "these tests need redis-server"
        arguments = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
        self.client = redis.Redis(unix_socket_path=str(self.socket))
        until(self._answers)

    def _answers(self):
        try:
            return self.client.ping()
        except redis.ConnectionError:
            return False

    def kill(self):
        """It is gone at once, with all that it knew."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def freeze(self):
        """It accepts connections and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        """It goes on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Its end, in whatever state it is."""
        self.thaw()
        self.kill()
        shutil.rmtree(self.folder)

    @property
    def accepted(self):
        """How many connections it has accepted so far."""
        return self.client.info("stats")["total_connections_received"]

    @property
    def open(self):
        """How many are open, without the one that asks."""
        return self.client.info("clients")["connected_clients"] - 1


def until(condition):
    """Waits for a condition."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, condition
        time.sleep(0.005)


class Node:
    """Hears plain publishes of some groups, as nodes do."""

    def __init__(self, server, *groups):
        self.pubsub = server.client.pubsub(ignore_subscribe_messages=True)
        self.pubsub.subscribe(*[f"channelgate:{group}" for group in groups])
        for _ in groups:
            # The answers, so that all that comes from now on is heard.
            self.pubsub.get_message(ignore_subscribe_messages=True, timeout=PATIENCE)

    def next(self, timeout=PATIENCE):
        """The next event."""
        found = self.pubsub.get_message(timeout=timeout)
        assert found is not None, "nothing was heard"
        return json.loads(found["data"])

    def all(self, count):
        """The next events."""
        return [self.next() for _ in range(count)]

    def close(self):
        self.pubsub.close()


class Consumer:
    """A channel of the project's layer in some groups, in a thread with a loop of its own, as under Daphne."""

    def __init__(self, layer, *groups):
        self.queue = queue.Queue()
        self._ready, self._groups, self._settings = threading.Event(), groups, layer
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    async def _run(self):
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        layer = import_string(self._settings["BACKEND"])(**self._settings["CONFIG"])
        channel = await layer.new_channel()
        for group in self._groups:
            await layer.group_add(group, channel)
        reading = asyncio.ensure_future(self._read(layer, channel))
        self._ready.set()
        await self._end.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await layer.flush() if "pubsub" in self._settings["BACKEND"] else await layer.close_pools()

    async def _read(self, layer, channel):
        while True:
            self.queue.put(await layer.receive(channel))

    def next(self, timeout=PATIENCE):
        """The next event."""
        return self.queue.get(timeout=timeout)

    def all(self, count):
        """The next events."""
        return [self.next() for _ in range(count)]

    def close(self):
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(PATIENCE)
