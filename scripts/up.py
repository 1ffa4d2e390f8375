#!/usr/bin/env python3
"""A whole system on loopback: Redis, the demo Django project, Channelgate nodes and nginx. Ctrl-C ends all parts.

Ports may be set: HTTP_PORT (nginx), DJANGO_PORT, NODE_PORT (the first node's), REDIS_PORT. Logs and the database are
kept in .run/, or in UP_DIR.
"""

import argparse
import base64
import dataclasses
import fcntl
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import stack

RUN = Path(os.environ.get("UP_DIR", stack.ROOT / ".run")).resolve()
#: The built application of the demonstration, and what is shown instead where it was not built.
APP = Path(os.environ.get("DEMO_APP", stack.ROOT / "clients" / "demo" / "dist")).resolve()
NO_APP = stack.ROOT / "scripts" / "no-app"
NOT_BUILT = "The pages are not built: scripts/app.sh builds them, or says what it needs."
#: Seconds within which all parts have to be ready.
READY = 60
#: What a reader may have exported for another project; the nodes and the Django project here have their own settings.
FOREIGN = re.compile(
    r"CHANNELGATE(?!_BIN$)|(ALLOWED_HOSTS|BOARDS_URL|CACHE_URL|DATABASE|DEBUG|LAYER_PREFIX|SERIALIZER)$"
)
#: Without a control process. The page asks for it; a 404 would be an error in the browser's console.
NO_CONTROL = "if ($request_method = GET) { return 204; } return 404;"
# One grey pixel, as a camera's picture.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="


@dataclasses.dataclass(frozen=True)
class Plan:
    """The parts of a system, none of them started. Redis starts first; the others do not wait for each other."""

    redis: stack.Part
    django: stack.Part
    nodes: list[stack.Part]
    nginx: stack.Part
    env: dict[str, str]
    has_app: bool

    @property
    def parts(self) -> list[stack.Part]:
        return [self.redis, self.django, *self.nodes, self.nginx]

    def start(self, started: list[stack.Part], *more: stack.Part) -> None:
        """Starts all parts, and those that are named here; what has been started is in the list, whatever happens."""
        started.append(self.redis.start())
        self.redis.wait()
        # The others do not wait for each other. Django does not read the database before a client comes.
        for part in (*more, *self.parts[1:]):
            started.append(part.start())

    def wait(self, stopping: list[int], *more: stack.Part) -> bool:
        """Until all of them are ready; false if they are to end before."""
        end = time.monotonic() + READY
        for part in (*self.parts, *more):
            while not part.ready():
                if stopping:
                    return False
                if time.monotonic() > end:
                    raise stack.StackError(f"{part.name} was not ready within {READY} s:\n{part.tail()}")
                check([part])
                time.sleep(0.02)
        return not stopping

    @property
    def site(self) -> str:
        return f"http://{stack.LOOPBACK}:{self.nginx.port}"


def port(variable: str, default: int, parts: int = 1) -> int:
    first = int(os.environ.get(variable, default))
    for number in range(first, first + parts):
        if stack.listening(number):
            sys.exit(f"Port {number} is in use, perhaps by another system; choose another with {variable}.")
    return first


def claim() -> None:
    """Empties RUN, unless another system uses it; it is this program's until it ends."""
    RUN.mkdir(parents=True, exist_ok=True)
    try:
        fcntl.flock(os.open(RUN, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"Another system uses {RUN}; choose another directory with UP_DIR.")
    for path in RUN.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def plan(nodes: int, control: int | None = None) -> Plan:
    """Looks for the ports and claims RUN. With the port of a control process, events are numbered for it."""
    for name in filter(FOREIGN.match, list(os.environ)):
        del os.environ[name]
    redis_port = port("REDIS_PORT", 6390)
    django_port = port("DJANGO_PORT", 8000)
    first = port("NODE_PORT", 8001, nodes)
    http_port = port("HTTP_PORT", 8080)
    claim()
    redis_url = f"redis://{stack.LOOPBACK}:{redis_port}/0"
    # Hundreds of events at once are a part of the demonstration.
    capacity = {"LAYER_CAPACITY": "2000"} if control else {}
    env = stack.django_env(RUN, redis_url, "numbered" if control else "core", **capacity)
    gate = {
        "REDIS_URL": redis_url,
        "DJANGO_SECRET_KEY": stack.SECRET_KEY,
        **stack.backend_env(django_port),
        **{f"CHANNELGATE__LAYER__{key.removeprefix('LAYER_')}": value for key, value in capacity.items()},
        "CHANNELGATE__PAGE__ENABLED": "true",
        # The page shows how its token runs out, and fetches another one then.
        "CHANNELGATE__PRESET__PARKING__AT_EXPIRY": "close",
        # No load balancer needs time here, and Ctrl-C should be quick.
        "CHANNELGATE__SERVER__DRAIN_DELAY": "0s",
        "CHANNELGATE__SERVER__DRAIN_PERIOD": "1s",
        "CHANNELGATE__SERVER__DRAIN_GRACE": "1s",
    }
    ports = range(first, first + nodes)
    names = [f"node{number}" for number in range(1, nodes + 1)]
    app = APP if (APP / "index.html").exists() else NO_APP
    proxied = "proxy_pass http://127.0.0.1:8099;"
    controlled = {proxied: proxied.replace("8099", str(control)) if control else NO_CONTROL}
    return Plan(
        stack.redis(RUN, redis_port),
        stack.django(RUN, django_port, env),
        [
            stack.node(RUN, number, {**gate, "CHANNELGATE__CLUSTER__NAME": name}, name)
            for number, name in zip(ports, names, strict=True)
        ],
        stack.nginx(RUN, http_port, ports, django_port, server="demo.conf", replace=controlled, app=app),
        env,
        app is APP,
    )


def announce(plan: Plan) -> None:
    site, shown = plan.site, os.path.relpath(RUN)
    (RUN / "face.png").write_bytes(base64.b64decode(PIXEL))
    pages = "The address has the demonstration's pages; with `make demo` things happen on them."
    if not plan.has_app:
        pages = NOT_BUILT
    nodes = "  ".join(f"http://{stack.LOOPBACK}:{part.port}" for part in plan.nodes)
    print(f"""
  {site}

Running. Ctrl-C ends all parts; logs are in {shown}/. {pages}

  site     {site}  (nginx: /ws/, /socket.io/ and /api/user/ws-token/ to the nodes, /api/ to Django)
  nodes    {nodes}  (each with a live page)
  sockets  {site.replace("http", "ws")}/ws/   /ws/attendance/   /ws/notifications/?token=…
  socket.io  io("{site}", {{auth: {{token}}}}) for the attendance tracker, the dashboard and the repair shop

Make Django publish; every client on /ws/ gets a client_create:

  curl -F first_seen=2025-06-01T09:00:00Z -F last_seen=2025-06-01T09:00:00Z -F gender=female -F age=31 \\
       -F image=@{shown}/face.png {site}/api/clients/

Tokens for ada (admin), mia (manager), moe (moderator), tom, tia (technicians), ann, ben and cem, for instance:

  curl -d username=ann -d password=demonstration {site}/api/token/
""")


def number_of_nodes(description: str) -> int:
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--nodes", type=int, default=3, help="how many Channelgate nodes (3)")
    nodes = arguments.parse_args().nodes
    if not 1 <= nodes <= 64:
        sys.exit("--nodes must be between 1 and 64.")
    return nodes


def stops() -> list[int]:
    """The signals to end that have come so far; one is that the terminal was closed."""
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # With `nohup` it outlives its terminal.
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue
        signal.signal(number, lambda received, _frame: stopping.append(received))
    return stopping


def check(parts: list[stack.Part]) -> None:
    for part in parts:
        if not part.running:
            raise stack.StackError(f"{part.name} ended with {part.process.returncode}:\n{part.tail()}")


def main() -> int:
    nodes = number_of_nodes(__doc__.splitlines()[0])
    stack.check_python()
    stopping = stops()
    started: list[stack.Part] = []
    try:
        system = plan(nodes)
        system.start(started)
        stack.migrate(RUN, system.env, "seed_demo")
        if system.wait(stopping):
            announce(system)
        while not stopping:
            check(started)
            time.sleep(0.2)
    except stack.StackError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        stack.end(started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
