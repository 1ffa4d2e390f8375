"""`manage.py channelgate tail`: what happens to events on a node, live; it becomes the node's own `tail`."""

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Any

from channelgate import binary
from channelgate.commands import Output
from channelgate.conf import conf

HELP = "Shows live what happens to events on the node: received, mapped, delivered, dropped."
#: Where the program finds its key; a key among the arguments would be visible to other users of the machine.
KEY = "CHANNELGATE_API_KEY"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--url", action="append", metavar="URL", help='a node; default: CHANNELGATE["URL"]')
    parser.add_argument("--group", action="append", default=[], metavar="GROUP", help="only this group")
    parser.add_argument("--connection", action="append", default=[], metavar="ID", help="only calls of this connection")
    parser.add_argument("--payload", action="store_true", help="show the content of events, too")
    parser.add_argument("--json", action="store_true", help="print the node's JSON lines")


def handle(options: Mapping[str, Any], output: Output) -> int:
    """Replaces this process by the program."""
    try:
        program = binary.find()
    except binary.BinaryMissing as missing:
        output.error(str(missing))
        return 1
    environment = dict(os.environ)
    key = conf().api_key or environment.get(KEY)
    if not key:
        output.error(
            'The node shows its events only with its API key: set CHANNELGATE["API_KEY"] to the '
            "CHANNELGATE_API_KEY of the node."
        )
        return 1
    environment[KEY] = key
    sys.stdout.flush()
    sys.stderr.flush()
    _become(words(options, str(program)), environment)
    return 0


def _become(argv: list[str], environment: Mapping[str, str]) -> None:
    os.execve(argv[0], argv, environment)


def words(options: Mapping[str, Any], program: str) -> list[str]:
    """The program and its arguments."""
    found = [program, "tail"]
    for name in ("url", "group", "connection"):
        for value in options[name] or ([conf().url] if name == "url" else []):
            found += [f"--{name}", value]
    return found + [f"--{name}" for name in ("payload", "json") if options[name]]
