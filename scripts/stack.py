"""The parts of a whole system as child processes on loopback: Redis, Django under Daphne, Channelgate nodes, nginx.

Used by `up.py` and by the end-to-end tests, so both run the same thing. Standard library only. Every child is ended by
its own process id, and ends by itself when its parent is gone.
"""

import contextlib
import ctypes
import http.client
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
MANAGE = ROOT / "tests" / "django" / "manage.py"
LOOPBACK = "127.0.0.1"
SECRET_KEY = "only-for-the-demonstration-and-never-for-production"
#: The secret with which nodes sign their calls to Django.
BACKEND_SECRET = "between-the-nodes-and-django-in-the-demonstration"
#: The Channels channel on which the demo project's worker receives the same calls.
WORKER = "channelgate"

#: Where `free_port` looks: below the range from which the system serves outgoing connections, because one of those
#: could take a port between the look and the start. Test processes that run side by side take separate parts of it.
PORTS = range(10240, 32000)

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
#: A thread that starts processes for other threads, and lives as long as this program.
_SPAWNER = ThreadPoolExecutor(1)


class StackError(Exception):
    """A part did not start, or ended unexpectedly."""


class Part:
    """One child process, its log and its readiness."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        directory: Path,
        ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        port: int = 0,
        fds: Sequence[int] = (),
    ):
        self.name = name
        self.fds = tuple(fds)
        self.argv = [str(word) for word in argv]
        self.directory = directory
        self.log = directory / f"{name}.log"
        self.ready = ready
        self.env = {**os.environ, **(env or {})}
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self.asked = False

    @property
    def pid(self) -> int:
        if self.process is None:
            raise StackError(f"{self.name} was not started")
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> "Part":
        """Starts the process; `wait` waits until it is ready."""
        # The process would end with the thread that has started it, not with this program.
        self.asked = False
        is_lasting = threading.current_thread() is threading.main_thread()
        self.process = self._spawn() if is_lasting else _SPAWNER.submit(self._spawn).result()
        return self

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            # A session of its own, so that Ctrl-C reaches only the parent, which then ends all parts in order.
            return subprocess.Popen(
                self.argv,
                cwd=self.directory,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=self.fds,
                preexec_fn=_end_with_parent,
            )

    def wait(self, deadline: float = 30.0) -> "Part":
        """Waits until the part is ready."""
        end = time.monotonic() + deadline
        while not self.ready():
            if not self.running:
                raise StackError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() > end:
                raise StackError(f"{self.name} was not ready within {deadline:.0f} s:\n{self.tail()}")
            time.sleep(0.02)
        return self

    def signal(self, number: int) -> None:
        """Sends a signal to this process, if it still runs."""
        if self.running:
            os.kill(self.pid, number)

    def join(self, deadline: float) -> int:
        """Waits for the process to end and returns its exit code."""
        return self.process.wait(deadline)

    def ask(self) -> None:
        """Asks the process to end, once: a second signal would interrupt a node's drain."""
        if not self.asked:
            self.asked = True
            self.signal(signal.SIGTERM)

    def stop(self, grace: float = 10.0) -> int | None:
        """Asks the process to end, and kills it after `grace` seconds."""
        if self.process is None:
            return None
        self.ask()
        try:
            return self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(10)

    def kill(self) -> None:
        """Kills the process, as in a crash."""
        self.process.kill()
        self.process.wait(10)

    def tail(self, lines: int = 25) -> str:
        """The end of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


#: Ports that were given already: a server takes its port some time later, when it has started.
_given: set[int] = set()


def free_port(neighbours: int = 1) -> int:
    """The first of `neighbours` adjacent free ports, none of which was given before."""
    if len(_given) > len(PORTS) // 2:
        _given.clear()
    while True:
        first = random.randrange(PORTS.start, PORTS.stop - neighbours + 1)
        ports = range(first, first + neighbours)
        if _given.isdisjoint(ports) and all(map(_is_free, ports)):
            _given.update(ports)
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def listening(port: int) -> bool:
    """Whether the port accepts connections."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def http_status(port: int, path: str, method: str = "GET", unix: str | Path | None = None) -> int | None:
    """The status of a request to a port, or to a unix socket; None without an answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        if unix is not None:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(2)
            connection.sock.connect(str(unix))
        connection.request(method, path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def binary() -> Path:
    """The node to run: CHANNELGATE_BIN, or cargo's latest build."""
    if given := os.environ.get("CHANNELGATE_BIN"):
        return Path(given).resolve()
    built = [ROOT / "target" / profile / "channelgate" for profile in ("release", "debug")]
    built = [path for path in built if path.exists()]
    if not built:
        raise StackError("target/release/channelgate is missing; run `make build` first")
    return max(built, key=lambda path: path.stat().st_mtime)


def tool(name: str) -> str:
    """The full path of a program that `make setup` installs."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise StackError(f"{name} is not installed; run `make setup` first")
    return path


def redis_command(port: int, command: str) -> str:
    """The raw answer to one command; empty without an answer."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(f"{command}\r\nQUIT\r\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")
    except OSError:
        return ""


def redis(directory: Path, port: int, name: str = "redis", arguments: Sequence[str] = ()) -> Part:
    """A Redis that keeps nothing on disk."""
    argv = [tool("redis-server"), "--bind", LOOPBACK, "--port", str(port), "--save", "", "--appendonly", "no"]

    def ready() -> bool:
        return redis_command(port, "PING").startswith("+PONG")

    return Part(name, [*argv, "--dir", directory, *arguments], directory, ready, port=port)


def django_env(directory: Path, redis_url: str, layer: str = "core", keys: str = "", **more: str) -> dict[str, str]:
    """The environment of the demo project."""
    env = {
        "DJANGO_SETTINGS_MODULE": "demo.settings",
        "PYTHONPATH": str(ROOT / "tests" / "django"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SECRET_KEY": SECRET_KEY,
        "CHANNELGATE_SECRET": BACKEND_SECRET,
        "RUN_DIR": str(directory),
        "REDIS_URL": redis_url,
        "LAYER": layer,
        "LAYER_KEYS": keys,
    }
    return {**env, **more}


def backend_env(django_port: int) -> dict[str, str]:
    """Settings with which a node calls the demo project over HTTP."""
    url = f"http://{LOOPBACK}:{django_port}/channelgate"
    return {"CHANNELGATE_BACKEND_URL": url, "CHANNELGATE__BACKEND__SECRET": BACKEND_SECRET}


def migrate(directory: Path, env: Mapping[str, str], fill: str = "make_people") -> None:
    """Creates the demo project's database, with some users of every role."""
    for command in ("migrate", fill):
        result = subprocess.run(
            [PYTHON, MANAGE, command, "--verbosity", "0"],
            env={**os.environ, **env},
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise StackError(f"the demo project's database could not be created:\n{result.stderr}")


def django(directory: Path, port: int, env: Mapping[str, str], name: str = "django") -> Part:
    """The demo project under Daphne: REST, and ordinary Channels consumers."""
    argv = [PYTHON, "-m", "daphne", "-b", LOOPBACK, "-p", str(port), "demo.asgi:application"]
    return Part(name, argv, directory, lambda: http_status(port, "/api/") is not None, env, port)


def worker(directory: Path, redis_port: int, env: Mapping[str, str], name: str = "worker") -> Part:
    """The demo project as a Channels worker."""

    def ready() -> bool:
        # Waits at its queue (core layer), or is subscribed.
        waits = "cmd=bzpopmin" in redis_command(redis_port, "CLIENT LIST")
        return waits or f"{WORKER}\r\n:1" in redis_command(redis_port, f"PUBSUB NUMSUB {WORKER}")

    return Part(name, [PYTHON, MANAGE, "runworker", WORKER], directory, ready, env)


#: sd_listen_fds(3): the first socket is number 3; LISTEN_PID names the receiving process.
_ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


def node(
    directory: Path,
    port: int,
    env: Mapping[str, str],
    name: str = "node",
    config: Path | None = None,
    ready: str = "/health/ready",
    listener: socket.socket | None = None,
) -> Part:
    """One Channelgate node; it gets `listener`, if set, as from systemd."""
    argv = [binary(), "serve", *(["--config", config] if config else [])]
    env = {"RUST_LOG": "info", "CHANNELGATE_LISTEN": f"{LOOPBACK}:{port}", **env}
    fds = []
    if listener is not None:
        fds.append(listener.fileno())
        argv = [sys.executable, "-c", _ACTIVATE, listener.fileno(), *argv]
    listen = env.get("CHANNELGATE__SERVER__LISTEN", env["CHANNELGATE_LISTEN"]).strip('"')
    unix = listen.removeprefix("unix:") if listen.startswith("unix:") else None
    return Part(name, argv, directory, lambda: http_status(port, ready, unix=unix) == 200, env, port, fds)


def nginx(
    directory: Path,
    port: int,
    nodes: Sequence[int],
    django_port: int,
    name: str = "nginx",
    server: str = "channelgate.conf",
    replace: Mapping[str, str] | None = None,
    app: Path | None = None,
) -> Part:
    """nginx with the repository's configuration and these ports.

    `server` is the file that nginx.conf includes; `replace` changes further texts; `app` is the folder that demo.conf
    serves.
    """
    home = directory / name
    home.mkdir(exist_ok=True)
    if app is not None:
        (home / "app").symlink_to(app)
    texts = {path.name: path.read_text() for path in (ROOT / "nginx").glob("*.conf")}
    node = re.search(r"( *)server 127\.0\.0\.1:8001( .*;)\n", texts["channelgate-upstreams.conf"])
    if node is None:
        raise StackError("nginx/channelgate-upstreams.conf no longer contains the node to replace")
    swaps = {
        node[0]: "".join(f"{node[1]}server {LOOPBACK}:{node_port}{node[2]}\n" for node_port in nodes),
        "127.0.0.1:8000": f"{LOOPBACK}:{django_port}",
        "127.0.0.1:8080": f"{LOOPBACK}:{port}",
        "include channelgate.conf;": f"include {server};",
        **(replace or {}),
    }
    for old, new in swaps.items():
        if not any(old in text for text in texts.values()):
            raise StackError(f"nginx/ no longer contains {old!r}, the text to replace")
        texts = {file: text.replace(old, new) for file, text in texts.items()}
    for file, text in texts.items():
        (home / file).write_text(text)
    # If root starts nginx, its workers would otherwise run as a user without access to this directory.
    user = "user root; " if os.geteuid() == 0 else ""
    argv = [tool("nginx"), "-p", f"{home}/", "-c", home / "nginx.conf", "-e", home / "error.log"]
    return Part(name, [*argv, "-g", f"{user}daemon off;"], directory, lambda: listening(port), port=port)


def end(parts: Sequence[Part]) -> None:
    """Ends all parts: the nodes drain first, all at once, so that clients get a close frame; then the rest, from front
    to back."""
    nodes = [part for part in parts if part.name.startswith("node")]
    for part in nodes:
        part.ask()
    for part in [*nodes, *reversed([part for part in parts if part not in nodes])]:
        code = part.stop()
        # The terminal may be closed, or the program that reads this has ended.
        with contextlib.suppress(OSError):
            print(f"{part.name} ended ({code}).")


def check_python() -> None:
    """Exits with a message if `make setup` has not run."""
    if not PYTHON.exists():
        sys.exit(".venv is missing; run `make setup` first.")
