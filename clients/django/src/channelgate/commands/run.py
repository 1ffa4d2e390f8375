"""`manage.py channelgate run`: a node with everything from the project's settings."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from channelgate.binary import BinaryMissing
from channelgate.commands import INVALID, Output
from channelgate.commands._node import add_arguments, chosen_file, listen_at, report
from channelgate.derive import layer
from channelgate.launch import Plan, plan, watch

HELP = "Starts a node with everything from the project's settings."


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    add_arguments(parser)
    parser.add_argument("--check", action="store_true", help="check the configuration, and start nothing")
    parser.add_argument(
        "--reload",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="read channelgate.toml again when it changes; on with DEBUG",
    )


def handle(options: Mapping[str, Any], output: Output) -> int:
    """Checks, says what starts, and becomes the node."""
    file = chosen_file(options)
    if file is not None and not file.is_file():
        output.error(f"{file} is not there. Write it with: manage.py channelgate init")
        return INVALID
    try:
        planned = plan(
            file, backend=options.get("backend"), listen=listen_at(options), proxy=bool(options.get("proxy"))
        )
    except BinaryMissing as missing:
        output.error(str(missing))
        return 1
    if report(planned.derived.problems, output):
        return INVALID
    digest = watch.digest(str(file)) if file is not None else ""
    checked = check(planned)
    if checked.returncode:
        output.error(explained(checked.stderr, planned).rstrip())
        return checked.returncode
    if options.get("check"):
        output.line(checked.stdout.rstrip())
        return 0
    output.line(started(planned, checked.stdout))
    is_reloading = options.get("reload")
    become(planned, digest, settings.DEBUG if is_reloading is None else bool(is_reloading))
    return 0


def check(planned: Plan) -> "subprocess.CompletedProcess[str]":
    """`channelgate check` with the environment of the plan."""
    argv = [planned.argv[0], "check", *planned.argv[2:]]
    return subprocess.run(argv, env=planned.environ, capture_output=True, text=True, check=False)


def explained(errors: str, planned: Plan) -> str:
    """The node's errors, with the setting beside the variable that it makes."""
    lines: list[str] = []
    for line in errors.splitlines():
        named = next((one for one in planned.used if line.startswith(f"environment variable {one.name}:")), None)
        lines.append(f"{named.source} ({line.removeprefix('environment variable ')})" if named else line)
    return "\n".join(lines)


def started(planned: Plan, checked: str) -> str:
    """One line about what starts."""
    environ = planned.environ
    listen = environ.get("CHANNELGATE__SERVER__LISTEN") or environ.get("CHANNELGATE_LISTEN") or "server.listen"
    found = layer.layer()
    redis = f", Redis {found.label}" if found is not None and _uses_layer(planned) else ""
    backend = environ.get("CHANNELGATE_BACKEND_URL")
    django = f", Django at {backend}" if backend else ""
    first = checked.splitlines()[0] if checked else ""
    return f"Starts {planned.argv[0]} at {listen}: {first}{redis}{django}. Ctrl-C ends it."


def _uses_layer(planned: Plan) -> bool:
    return any(one.key in ("layer.url", "layer.hosts") for one in planned.used)


def become(planned: Plan, digest: str, is_reloading: bool) -> None:
    """Replaces this process with the node, so that signals reach it; `digest` is that of the file that was checked."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if is_reloading and planned.config is not None:
        # A change before the node handles the signal must not end it.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        keys = [one.key for one in planned.used]
        program = [sys.executable, "-I", str(Path(watch.__file__))]
        words = [*program, str(os.getpid()), str(planned.config), digest, *keys]
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    os.execve(planned.argv[0], list(planned.argv), planned.environ)
