"""Disturbances while the generator publishes: one node is killed, or three nodes are restarted one by one."""

import json
import signal
import subprocess
import time

from .candidates import Bench, Running, node
from .paths import stack


class Generator:
    """The generator, which gets a line for each disturbance."""

    def __init__(self, command: list[str]):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        if '"ready"' not in line:
            raise stack.StackError(f"the generator did not get ready: {line} {self.process.stderr.read()[-300:]}")

    def say(self, line: str) -> None:
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def report(self) -> dict:
        out, error = self.process.communicate(input="stop\n", timeout=120)
        try:
            return {**json.loads(out.strip().splitlines()[-1]), "exit": self.process.returncode}
        except (IndexError, ValueError):
            raise stack.StackError(f"no figures: {error[-300:]}") from None

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


def run(name: str, bench: Bench, running: Running, command: list[str]) -> dict:
    """One storm."""
    if name == "rolling-restart":
        front = stack.nginx(
            bench.directory, stack.free_port(), [part.port for part in running.servers], stack.free_port()
        )
        bench.start(front, "0")
        at = command.index("--url")
        command = [*command[: at + 1], f"ws://{stack.LOOPBACK}:{front.port}/ws/", *command[at + 2 :]]
        command += ["--aux", f"nginx={front.pid}"]
    generator = Generator(command)
    try:
        time.sleep(2)
        (rolling if name == "rolling-restart" else death)(bench, running, generator)
        return generator.report()
    finally:
        generator.end()


def death(bench: Bench, running: Running, generator: Generator) -> None:
    """Kills one node; its clients reconnect to the other."""
    generator.say("mark kill -9")
    running.servers[0].signal(signal.SIGKILL)
    running.servers[0].join(10)
    time.sleep(15)


def rolling(bench: Bench, running: Running, generator: Generator) -> None:
    """Asks each node in turn to end, lets it drain, and starts it again; the next follows when it is ready."""
    for number, old in enumerate(running.servers, 1):
        generator.say(f"mark node {number}")
        old.ask()
        old.join(30)
        node(bench, old.port)
        # The clients closed last are still reconnecting.
        time.sleep(4)
