#!/usr/bin/env python3
"""The demonstration on loopback: the system of `up.py`, in which things happen, and can be broken. Ctrl-C ends it.

Ports may be set: HTTP_PORT (nginx), DJANGO_PORT, NODE_PORT (the first node's), REDIS_PORT, CONTROL_PORT. Logs and the
database are kept in .run/, or in UP_DIR.
"""

import os
import sys
import threading
import time

import stack
import up
from control.activity import Activity
from control.server import Control
from control.stream import Stream
from control.supervisor import Supervisor


def announce(system: up.Plan) -> None:
    note = "" if system.has_app else f"\n{up.NOT_BUILT}\n"
    print(f"""
  {system.site}
{note}
The demonstration runs. Open the address, choose a person, and press "Break it". Ctrl-C ends all of it.

  nodes    {"  ".join(f"http://{stack.LOOPBACK}:{node.port}" for node in system.nodes)}  (each with a live page)
  operate  http://{stack.LOOPBACK}:{system.nodes[0].port}/page/#operate  (sign in with the "access" of the next line)
           curl -d username=ada -d password=demonstration {system.site}/api/token/
  logs     {os.path.relpath(up.RUN)}/, and sent.jsonl there: every event that Django sent
""")


def main() -> int:
    nodes = up.number_of_nodes(__doc__.splitlines()[0])
    stack.check_python()
    stopping = up.stops()
    started: list[stack.Part] = []
    supervisor = None
    try:
        control_port = up.port("CONTROL_PORT", 8099)
        system = up.plan(nodes, control_port)
        activity = Activity(up.RUN, system.env)
        stream = Stream(up.RUN / "sent.jsonl", threading.Event())
        supervisor = Supervisor(system.nodes, system.redis, activity, stream)
        control = Control(control_port, system.nginx.port, supervisor, activity, stream)
        stream.start()
        control.start()
        # The activity makes the database, too, so it begins.
        system.start(started, activity)
        if system.wait(stopping, activity):
            supervisor.watch()
            announce(system)
        while not stopping:
            up.check([system.django, system.nginx])
            time.sleep(0.1)
    except stack.StackError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if supervisor is not None:
            supervisor.stop()
        stack.end(started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
