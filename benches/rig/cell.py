"""One cell: one candidate, one row, one round. Starts a Redis, the candidate and the generator, and ends all."""

import contextlib
import json
import subprocess
import tempfile
import time
from pathlib import Path

from . import bridge, storms
from .candidates import CANDIDATES, LOAD, Bench, Candidate, Running
from .paths import BUILT, WORK, stack
from .profile import Profiler
from .rows import UNPINNED, Row

#: Seconds after which a server's memory is that of idle connections.
SETTLE = 4

ALL: dict[str, Candidate] = {**CANDIDATES, **bridge.CANDIDATES}


class CellError(Exception):
    """A candidate did not start, or the generator printed no figures."""


def run(name: str, row: Row, candidate: str, arguments: dict[str, object]) -> dict:
    """Measures one candidate once; returns the generator's report and exit code."""
    (WORK / "run").mkdir(parents=True, exist_ok=True)
    pinned = name not in UNPINNED
    with tempfile.TemporaryDirectory(dir=WORK / "run", prefix=f"{name}-{candidate}-") as directory:
        part = stack.redis(Path(directory), stack.free_port())
        bench = Bench(Path(directory), part, row.groups, row.deflate, row.nodes, pinned, row.path, row.sessions)
        try:
            bench.start(part, LOAD)
            running = ALL[candidate].start(bench)
            command = generator(row, bench, running, arguments)
            if row.mode == "storm":
                return storms.run(name, bench, running, command)
            limit = float(arguments.get("seconds", 30)) + 120
            with contextlib.ExitStack() as cleanup:
                if arguments.get("base"):
                    held(running, command, int(str(arguments["base"])), cleanup)
                profiler = Profiler(running.profiled.pid, bench.directory) if running.profiled else None
                done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
                profile = {"profile": profiler.end()} if profiler else {}
            return {**measured(done), **running.facts, **profile}
        except (stack.StackError, subprocess.TimeoutExpired) as error:
            raise CellError(f"{candidate}: {error}") from error
        finally:
            bench.stop()


def held(running: Running, command: list[str], connections: int, cleanup: contextlib.ExitStack) -> None:
    """Opens connections that are not measured, and holds them: they pay what a server pays once."""
    argv = list(command)
    argv[argv.index("--conns") + 1] = str(connections)
    argv[argv.index("--hold-ms") + 1] = "600000"
    holder = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cleanup.callback(holder.wait)
    cleanup.callback(holder.kill)
    files = Path(f"/proc/{running.servers[0].pid}/fd")
    deadline = time.monotonic() + 60
    while sum(1 for _ in files.iterdir()) < connections:
        if holder.poll() is not None or time.monotonic() > deadline:
            raise stack.StackError(f"{connections} connections could not be opened")
        time.sleep(0.1)
    # Memory of the handshakes goes back to the system.
    time.sleep(SETTLE)


def generator(row: Row, bench: Bench, running: Running, arguments: dict[str, object]) -> list[str]:
    """The generator's command line."""
    command = ["taskset", "-c", LOAD] if bench.pinned else []
    command += [str(BUILT / "load"), row.mode, "--url", ",".join(running.urls), *running.arguments]
    if row.mode not in ("idle", "connect", "echo"):
        command += ["--pub", running.publish, "--template", running.template]
    if row.mode == "ingest" and not row.groups:
        command += ["--silent", f"{bench.redis_url}/silent:{{g}}"]
    if bench.deflate:
        command.append("--deflate")
    command += [
        "--server-pid",
        ",".join(str(part.pid) for part in running.servers),
        "--aux",
        f"redis={bench.redis.pid}",
    ]
    for name, part in running.aux.items():
        command += ["--aux", f"{name}={part.pid}"]
    for key, value in arguments.items():
        if key == "base":
            continue
        command += [f"--{key}", str(value)]
    return command


def measured(result: subprocess.CompletedProcess) -> dict:
    """Reads the report from the last line."""
    lines = result.stdout.strip().splitlines()
    try:
        report = json.loads(lines[-1])
    except (IndexError, ValueError):
        raise CellError(f"the generator ended with {result.returncode}: {result.stderr.strip()[-300:]}") from None
    return {**report, "exit": result.returncode}


def pause() -> None:
    """Waits until effects of the last cell are gone (sockets in TIME_WAIT, freed memory)."""
    time.sleep(0.5)
