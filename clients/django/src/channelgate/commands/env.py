"""`manage.py channelgate env`: the variables with which `run` starts a node, for other ways to start one."""

import argparse
from collections.abc import Mapping
from typing import Any

from channelgate.commands import INVALID, Output
from channelgate.commands._node import add_arguments, chosen_file, listen_at, report
from channelgate.derive import derived
from channelgate.launch import used_variables
from channelgate.launch.formats import FORMATS, render
from channelgate.nodefile import read_or_empty

HELP = "Prints a node's variables from the project's settings, for systemd, Compose or Kubernetes."
#: Those that listen where their image or their socket says.
LISTEN_ELSEWHERE = ("systemd", "compose", "kubernetes")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    add_arguments(parser)
    parser.add_argument("--format", choices=sorted(FORMATS), default="dotenv", help="the form; dotenv by default")
    parser.add_argument("--reveal", action="store_true", help="print secrets, too")


def handle(options: Mapping[str, Any], output: Output) -> int:
    """Prints the variables."""
    form, listen = options["format"], listen_at(options)
    found = derived(backend=options.get("backend"), listen=listen, proxy=bool(options.get("proxy")))
    file = read_or_empty(chosen_file(options))
    used = used_variables(found, file, {})
    if listen is None and form in LISTEN_ELSEWHERE:
        used = tuple(one for one in used if one.key != "server.listen")
    output.line(render(form, used, bool(options.get("reveal"))))
    return INVALID if report(found.problems, output) else 0
