#!/usr/bin/env python3
"""A whole system on loopback: Redis, the demo Django project, Channelgate nodes and nginx. Ctrl-C ends all parts.

Ports may be set: HTTP_PORT (nginx), DJANGO_PORT, NODE_PORT (the first node's), REDIS_PORT. Logs and the database are
kept in .run/, or in UP_DIR.
"""

import argparse
import base64
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import stack

RUN = Path(os.environ.get("UP_DIR", stack.ROOT / ".run")).resolve()
# One grey pixel, as a camera's picture.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="


def port(variable: str, default: int, parts: int = 1) -> int:
    first = int(os.environ.get(variable, default))
    for number in range(first, first + parts):
        if stack.listening(number):
            sys.exit(f"Port {number} is in use; choose another with {variable}.")
    return first


def plan(nodes: int) -> list[stack.Part]:
    redis_port = port("REDIS_PORT", 6390)
    django_port = port("DJANGO_PORT", 8000)
    first = port("NODE_PORT", 8001, nodes)
    http_port = port("HTTP_PORT", 8080)
    redis_url = f"redis://{stack.LOOPBACK}:{redis_port}/0"
    env = stack.django_env(RUN, redis_url)
    stack.migrate(RUN, env)
    gate = {
        "REDIS_URL": redis_url,
        "DJANGO_SECRET_KEY": stack.SECRET_KEY,
        **stack.backend_env(django_port),
        "CHANNELGATE__PAGE__ENABLED": "true",
        # No load balancer needs time here, and Ctrl-C should be quick.
        "CHANNELGATE__SERVER__DRAIN_DELAY": "0s",
        "CHANNELGATE__SERVER__DRAIN_PERIOD": "1s",
        "CHANNELGATE__SERVER__DRAIN_GRACE": "1s",
    }
    ports = range(first, first + nodes)
    return [
        stack.redis(RUN, redis_port),
        stack.django(RUN, django_port, env),
        *(stack.node(RUN, number, gate, f"node{index + 1}") for index, number in enumerate(ports)),
        stack.nginx(RUN, http_port, ports, django_port),
    ]


def announce(parts: list[stack.Part]) -> None:
    site = f"http://{stack.LOOPBACK}:{parts[-1].port}"
    shown = os.path.relpath(RUN)
    (RUN / "face.png").write_bytes(base64.b64decode(PIXEL))
    nodes = "  ".join(f"http://{stack.LOOPBACK}:{part.port}" for part in parts if part.name.startswith("node"))
    print(f"""
Running. Ctrl-C ends all parts; logs are in {shown}/.

  site     {site}  (nginx: /ws/, /socket.io/ and /api/user/ws-token/ to the nodes, the rest to Django)
  nodes    {nodes}  (each with a live page)
  sockets  {site.replace("http", "ws")}/ws/   /ws/attendance/   /ws/notifications/?token=…
  socket.io  io("{site}", {{auth: {{token}}}}) for the attendance tracker, the dashboard and the repair shop

Make Django publish; every client on /ws/ gets a client_create:

  curl -F first_seen=2025-06-01T09:00:00Z -F last_seen=2025-06-01T09:00:00Z -F gender=female -F age=31 \\
       -F image=@{shown}/face.png {site}/api/clients/

Tokens for ada (admin), mia (manager), moe (moderator), tom, tia (technicians), ann, ben and cem, for instance:

  curl -d username=ann -d password=demonstration {site}/api/token/
""")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--nodes", type=int, default=3, help="how many Channelgate nodes (3)")
    nodes = arguments.parse_args().nodes
    if not 1 <= nodes <= 64:
        sys.exit("--nodes must be between 1 and 64.")
    stack.check_python()
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)

    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: stopping.append(received))

    started: list[stack.Part] = []
    try:
        for part in plan(nodes):
            if stopping:
                break
            started.append(part.start())
            part.wait()
        else:
            announce(started)
        while not stopping:
            for part in started:
                if not part.running:
                    raise stack.StackError(f"{part.name} ended with {part.process.returncode}:\n{part.tail()}")
            time.sleep(0.2)
    except stack.StackError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        # The nodes drain first, all at once, so that clients get a close frame; then the rest, from front to back.
        nodes = [part for part in started if part.name.startswith("node")]
        for part in nodes:
            part.ask()
        for part in [*nodes, *reversed([part for part in started if part not in nodes])]:
            print(f"{part.name} ended ({part.stop()}).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
