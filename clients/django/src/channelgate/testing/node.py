"""The node of the tests: the program of the package on a free port, with the embedded layer and the project's file."""

import atexit
import contextlib
import http.client
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from channelgate import binary

HOST = "127.0.0.1"
#: Seconds until a node has to be ready, and until one that is asked to stop is ended.
READY, STOP = 20.0, 5.0
#: What the environment of the tests says to other nodes.
FOREIGN = re.compile(r"CHANNELGATE|REDIS_|DJANGO_SECRET_KEY|RUST_LOG|LISTEN_(FDS|PID)|NOTIFY_SOCKET")
#: Tables that a node without Redis has no use for, and keys of others.
TABLES = re.compile(r"\s*\[{1,2}\s*(layer|cache|cluster|source)\s*[\].]")
TABLE = re.compile(r"\s*\[{1,2}\s*[\w\"'-]")
KEYS = re.compile(r"\s*(worker\s*=|(layer|cache|cluster)\s*\.)")


class NodeFailed(Exception):
    """The node could not be started; the text has its log."""


class Node:
    """A running node."""

    def __init__(self, config: Path, environ: Mapping[str, str]) -> None:
        self.key = secrets.token_hex(16)
        self.environ = dict(environ)
        self._folder = tempfile.TemporaryDirectory(prefix="channelgate-test-")
        folder = Path(self._folder.name)
        self.config = without_redis(config, folder)
        self._log = folder / "node.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def pid(self) -> int | None:
        """Its process."""
        return None if self._process is None else self._process.pid

    def _variables(self) -> dict[str, str]:
        """Its environment: nothing of the caller's that is meant for nodes."""
        own = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
        return {
            **own,
            **self.environ,
            "CHANNELGATE_LISTEN": f"{HOST}:{self.port}",
            "CHANNELGATE_API_KEY": self.key,
            "CHANNELGATE__PAGE__ENABLED": "true",
            "CHANNELGATE__SERVER__WORKERS": "1",
            "CHANNELGATE__SERVER__PROXY_PROTOCOL": "false",
            "CHANNELGATE__SERVER__TRUSTED_PROXIES": "[]",
            "CHANNELGATE__SERVER__DRAIN_DELAY": "0s",
            "CHANNELGATE__SERVER__DRAIN_PERIOD": "0s",
            "CHANNELGATE__SERVER__DRAIN_GRACE": "1s",
        }

    def start(self) -> "Node":
        """Starts it and waits until it is ready. Another process may take the port in between: then once more."""
        for last in (False, False, True):
            self.port = free_port()
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [str(binary.find()), "serve", "--config", str(self.config)],
                    env=self._variables(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            atexit.register(self.stop)
            if self._is_ready():
                return self
            log_text = self.log
            self._end()
            if last or "Address already in use" not in log_text:
                break
        self.stop()
        raise NodeFailed(f"The node did not start with {self.config}:\n{log_text.strip()}")

    def _is_ready(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask("GET", "/health/ready")[0] == 200:
                    return True
            time.sleep(0.02)
        return False

    def stop(self) -> None:
        """Ends it, by force if it takes too long, and removes its files."""
        atexit.unregister(self.stop)
        self._end()
        self._folder.cleanup()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request to its API: the status and the JSON of the answer, or its text."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        finally:
            connection.close()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, text

    def run(self, *words: str) -> str:
        """What a sub-command of the program prints, with the configuration of this node."""
        argv = [str(binary.find()), *words, "--config", str(self.config)]
        done = subprocess.run(argv, env=self._variables(), capture_output=True, text=True, timeout=READY, check=False)
        if done.returncode:
            raise NodeFailed(f"channelgate {words[0]}: {done.stderr.strip()}")
        return done.stdout


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def without_redis(config: Path, folder: Path) -> Path:
    """The file, or a copy of it in which what names a Redis is empty lines, so that errors name the same lines."""
    lines = config.read_text(encoding="utf-8").splitlines()
    kept = list(_kept(lines))
    if kept == lines:
        return config
    copy = folder / config.name
    copy.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return copy


def _kept(lines: list[str]) -> Iterator[str]:
    in_redis = False
    for line in lines:
        if TABLE.match(line):
            in_redis = TABLES.match(line) is not None
        yield "" if in_redis or KEYS.match(line) else line
