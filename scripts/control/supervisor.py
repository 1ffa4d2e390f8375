"""Keeps parts running: one that has ended, by an order or by itself, is started again after a pause."""

import signal
import threading
import time

import stack
from control.stream import Stream

#: Seconds before a part is started again, between looks, and for which Redis is frozen.
PAUSE, LOOK, FREEZE = 3.0, 0.05, 6.0
#: Seconds after which a part that was asked to end is killed.
GRACE = 10.0


class Refused(Exception):
    """What was asked for cannot be done now."""


class Supervised:
    """A part, its state, and the thread that starts it again."""

    def __init__(self, part: stack.Part, supervisor: "Supervisor", title: str, pause: float = PAUSE):
        self.part, self.supervisor, self.title, self.pause = part, supervisor, title, pause
        #: running, ending, killed or starting.
        self.state = "starting"
        self._since = self._ended = time.monotonic()

    def watch(self) -> None:
        """Begins when the part runs."""
        self._become("running")
        threading.Thread(target=self._watch, daemon=True, name=self.part.name).start()

    def end(self, how: signal.Signals, fact: str) -> None:
        """Ends the part, which will start again."""
        with self.supervisor.lock:
            if self.state != "running" or not self.part.running:
                raise Refused(f"{self.title} does not run now; it starts again by itself")
            self._become("killed" if how == signal.SIGKILL else "ending")
            self.supervisor.stream.fact(f"{self.title} {fact}.")
            self.part.signal(how)

    def _watch(self) -> None:
        stopping = self.supervisor.stopping
        while not stopping.wait(LOOK):
            if not self.part.running:
                self._start_again()
            elif self.state == "starting" and self.part.ready():
                self._become("running")
                self.supervisor.stream.fact(f"{self.title} is back after {time.monotonic() - self._ended:.1f} s.")
            elif self.state == "ending" and time.monotonic() > self._since + GRACE:
                self.part.signal(signal.SIGKILL)

    def _start_again(self) -> None:
        self._ended = time.monotonic()
        if self.state in ("running", "starting"):
            self._become("killed")
            self.supervisor.stream.fact(f"{self.title} has ended by itself; it starts again in {self.pause:g} s.")
        elif self.state == "ending":
            self.supervisor.stream.fact(f"{self.title} has ended; it starts again in {self.pause:g} s.")
        if self.supervisor.stopping.wait(self.pause):
            return
        with self.supervisor.lock:
            if not self.supervisor.stopping.is_set():
                self.part.start()
                self._become("starting")

    def _become(self, state: str) -> None:
        self.state, self._since = state, time.monotonic()
        self.supervisor.changed()


class Supervisor:
    def __init__(self, nodes: list[stack.Part], redis: stack.Part, activity: stack.Part, stream: Stream):
        self.stream, self.stopping = stream, stream.stopping
        #: Held while a part is ended or started.
        self.lock = threading.RLock()
        self.nodes: dict[str, Supervised] = {}
        self.redis = Supervised(redis, self, "Redis", pause=1.0)
        self.activity = Supervised(activity, self, "The activity")
        self.nodes.update({node.name: Supervised(node, self, node.name) for node in nodes})
        self._frozen = threading.Event()

    def watch(self) -> None:
        """Begins when all parts run."""
        for part in [*self.nodes.values(), self.redis, self.activity]:
            part.watch()

    def states(self) -> list[dict]:
        return [{"name": name, "port": node.part.port, "state": node.state} for name, node in self.nodes.items()]

    def changed(self) -> None:
        self.stream.publish("nodes", self.states())

    def end_node(self, name: str) -> None:
        self.nodes[name].end(signal.SIGTERM, "was asked to end; it closes its connections first")

    def kill_node(self, name: str) -> None:
        self.nodes[name].end(signal.SIGKILL, f"was killed; it starts again in {PAUSE:g} s")

    def freeze_redis(self) -> None:
        with self.lock:
            if self._frozen.is_set():
                raise Refused("Redis is frozen already")
            if not self.redis.part.running:
                raise Refused("Redis does not run now; it starts again by itself")
            self._frozen.set()
            self.redis.part.signal(signal.SIGSTOP)
        self.stream.fact(f"Redis is frozen for {FREEZE:g} s.")
        threading.Thread(target=self._thaw, args=[self.redis.part.pid], daemon=True, name="thaw").start()

    def _thaw(self, pid: int) -> None:
        if self.stopping.wait(FREEZE):
            return
        with self.lock:
            self._frozen.clear()
            # Another Redis may have been started meanwhile.
            if self.redis.part.running and self.redis.part.pid == pid:
                self.redis.part.signal(signal.SIGCONT)
        self.stream.fact("Redis runs again, with all its data.")

    def restart_redis(self) -> None:
        with self.lock:
            if self._frozen.is_set():
                raise Refused("Redis is frozen now; it runs again by itself in a moment")
            self.redis.end(signal.SIGTERM, "was asked to end; its memory will be empty")

    def stop(self) -> None:
        """No part is started again from here on; they are the caller's to end."""
        with self.lock:
            self.stopping.set()
            # A stopped process does not end.
            self.redis.part.signal(signal.SIGCONT)
        self.stream.wake()
