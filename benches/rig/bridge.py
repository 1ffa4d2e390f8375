"""The rows of the bridge: a small Django project, served by Daphne and uvicorn alone, or behind a node.

The server that is measured is Django's processes; the node has a figure of its own. In the rows of memory it is the
other way round.
"""

import dataclasses
import hashlib
import hmac
import http.client
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from .candidates import BENCHES, LOAD, PYTHON, RIVALS, ROOT, SERVER, Bench, Candidate, Running
from .paths import WORK, stack
from .profile import SPY

SECRET = "between the node and Django of a benchmark on loopback"
#: Clients of a row at most; each has a user and a session.
CLIENTS = 10_000
#: The path of a consumer that Django does not run.
PLAIN = "plain/"
#: Threads of gunicorn: as many as the node has calls at the same time.
THREADS = "64"
BIN = WORK / "venv" / "bin"


def environment(bench: Bench) -> dict[str, str]:
    """Of every process of the Django project. The package is the one of this checkout."""
    return {
        "PYTHONPATH": os.pathsep.join([str(RIVALS / "bridge"), str(ROOT / "clients" / "django" / "src")]),
        "DJANGO_SETTINGS_MODULE": "settings",
        "BENCH_DIRECTORY": str(bench.directory),
        "REDIS_URL": bench.redis_url,
        "CHANNELGATE_BACKEND_SECRET": SECRET,
    }


def database(bench: Bench) -> None:
    """Creates the database with users and sessions; once, and copied for each cell."""
    kept = WORK / "run" / f"bridge-{CLIENTS}.sqlite3"
    made = bench.directory / "db.sqlite3"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, **environment(bench)}
        argv = [str(PYTHON), str(RIVALS / "bridge" / "prepare.py"), str(CLIENTS)]
        done = subprocess.run(argv, env=env, cwd=bench.directory, capture_output=True, text=True, check=False)
        if done.returncode:
            raise stack.StackError(f"the database could not be created:\n{done.stderr[-500:]}")
        made.rename(kept)
    made.write_bytes(kept.read_bytes())


def django(bench: Bench, server: str, application: str, core: str = SERVER) -> stack.Part:
    """One process of the project under this server."""
    database(bench)
    port = stack.free_port()
    address = f"{stack.LOOPBACK}:{port}"
    argv: list[str | Path] = {
        "daphne": [BIN / "daphne", "-v", "0", "-b", stack.LOOPBACK, "-p", str(port), f"asgi:{application}"],
        "uvicorn": [BIN / "uvicorn", "--host", stack.LOOPBACK, "--port", str(port), "--backlog", "4096",
                    "--log-level", "warning", "--no-access-log", f"asgi:{application}"],
        "gunicorn": [BIN / "gunicorn", "--bind", address, "--worker-class", "gthread", "--threads", THREADS,
                     "--keep-alive", "60", "--log-level", "warning", "wsgi:application"],
    }[server]  # fmt: skip
    return bench.program(server, argv, port, core, **environment(bench))


def node(bench: Bench, backend: stack.Part, core: str, **more: str) -> stack.Part:
    env = {
        **more,
        "REDIS_URL": bench.redis_url,
        "RUST_LOG": "warn",
        "CHANNELGATE_BACKEND_URL": f"http://{stack.LOOPBACK}:{backend.port}/channelgate",
        "CHANNELGATE_BACKEND_SECRET": SECRET,
        # A deployment reads it from the variable above; nodes before that name know only this one.
        "CHANNELGATE__BACKEND__SECRET": SECRET,
    }
    return bench.start(stack.node(bench.directory, stack.free_port(), env, "node", BENCHES / "bridge.toml"), core)


def running(bench: Bench, port: int, **more: object) -> Running:
    url = f"ws://{stack.LOOPBACK}:{port}/{bench.path}"
    arguments = ["--header", "Cookie: sessionid=session-{i}"] if bench.sessions else []
    return Running([url], "", arguments=arguments, **more)


def alone(server: str) -> Callable[[Bench], Running]:
    """The project holds the sockets."""

    def start(bench: Bench) -> Running:
        part = django(bench, server, "application")
        return running(bench, part.port, servers=[part])

    return start


def bridged(server: str, application: str = "bridged") -> Callable[[Bench], Running]:
    """A node holds the sockets; Django has a core for itself."""

    def start(bench: Bench) -> Running:
        part = django(bench, server, application)
        gate = node(bench, part, LOAD)
        return running(bench, gate.port, servers=[part], aux={"node": gate}, facts=facts(part, bench))

    return start


def profiled(bench: Bench) -> Running:
    """The wrapper under uvicorn, slowed down by the profiler."""
    made = bridged("uvicorn")(bench)
    return dataclasses.replace(made, profiled=made.servers[0])


def held(path: str, sessions: bool = False) -> Callable[[Bench], Running]:
    """The node's own memory for connections of a consumer."""

    def start(bench: Bench) -> Running:
        bench.path, bench.sessions = path, sessions
        part = django(bench, "uvicorn", "bridged", LOAD)
        # Freed pages go back to the system at once: what is left is what connections hold.
        gate = node(bench, part, SERVER, _RJEM_MALLOC_CONF="dirty_decay_ms:0,muzzy_decay_ms:0")
        found = facts(part, bench) if path != PLAIN else {"state_bytes": 0}
        return running(bench, gate.port, servers=[gate], aux={"django": part}, facts=found)

    return start


def facts(part: stack.Part, bench: Bench) -> dict[str, object]:
    """The bytes of the state that a connect leaves, asked for as a node asks."""
    cookie = [["cookie", "sessionid=session-0"]] if bench.sessions else []
    call = {
        "v": 1,
        "connection": "0123456789abcdef",
        "seq": 0,
        "channel_name": "specific.0123456789abcdefr!c.0123456789abcdef",
        "consumer": "room",
        "scope": {
            "path": f"/{bench.path}",
            "query_string": "",
            "headers": [
                ["host", f"{stack.LOOPBACK}:{part.port}"],
                ["upgrade", "websocket"],
                ["connection", "Upgrade"],
                ["sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="],
                ["sec-websocket-version", "13"],
                *cookie,
            ],
            "client": [stack.LOOPBACK, 50000],
            "server": [stack.LOOPBACK, part.port],
            "scheme": "ws",
            "subprotocols": [],
        },
        "state": None,
        "event": {"type": "websocket.connect"},
    }
    body = json.dumps(call).encode()
    now = str(int(time.time()))
    signature = hmac.digest(SECRET.encode(), now.encode() + b"." + body, hashlib.sha256).hex()
    connection = http.client.HTTPConnection(stack.LOOPBACK, part.port, timeout=10)
    try:
        headers = {"X-Channelgate-Timestamp": now, "X-Channelgate-Signature": f"sha256={signature}"}
        connection.request("POST", "/channelgate/channels", body, headers)
        end = json.loads(connection.getresponse().read().splitlines()[-1])
    except (OSError, http.client.HTTPException, ValueError, IndexError) as error:
        raise stack.StackError(f"a call was not answered: {error}") from error
    finally:
        connection.close()
    if end.get("end") != "open":
        raise stack.StackError(f"a call ended with {end}")
    return {"state_bytes": len(end["state"])}


_NEEDS = (BIN / "uvicorn", BIN / "daphne")
_DJANGO = (("pip", "Django"), ("pip", "channels"))
_UVICORN = (("pip", "uvicorn"), ("pip", "uvloop"), ("pip", "httptools"))

CANDIDATES: dict[str, Candidate] = {
    "django-daphne": Candidate("Daphne", alone("daphne"), (*_DJANGO, ("pip", "daphne")), needs=_NEEDS),
    "django-uvicorn": Candidate("uvicorn", alone("uvicorn"), (*_DJANGO, *_UVICORN), needs=_NEEDS),
    "bridge-uvicorn": Candidate(
        "bridge, `asgi.py` under uvicorn", bridged("uvicorn"), (*_DJANGO, *_UVICORN), ours=True, needs=_NEEDS
    ),
    "bridge-daphne": Candidate(
        "bridge, `asgi.py` under Daphne", bridged("daphne"), (*_DJANGO, ("pip", "daphne")), ours=True, needs=_NEEDS
    ),
    "bridge-gunicorn": Candidate(
        "bridge, `urls.py` under gunicorn",
        bridged("gunicorn"),
        (*_DJANGO, ("pip", "gunicorn")),
        ours=True,
        needs=(*_NEEDS, BIN / "gunicorn"),
    ),
    "bridge-profiled": Candidate(
        "bridge, `asgi.py` under uvicorn",
        profiled,
        (*_DJANGO, *_UVICORN, ("pip", "py-spy")),
        ours=True,
        needs=(*_NEEDS, SPY),
    ),
    "plain-node": Candidate("plain, in a group", held(PLAIN), ours=True, needs=_NEEDS),
    "bridge-node": Candidate("bridged, in a group", held("ws/lobby/bench/"), ours=True, needs=_NEEDS),
    "bridge-session-node": Candidate(
        "bridged, in a group, with a session and its user",
        held("ws/room/bench/", sessions=True),
        ours=True,
        needs=_NEEDS,
    ),
}
