"""What `run` and `env` share: the options about the node's file and its addresses, and how problems are shown."""

import argparse
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from channelgate.commands import Output
from channelgate.conf import conf
from channelgate.derive import Problem
from channelgate.derive.backend import DJANGO
from channelgate.nodefile import find


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--config", metavar="FILE", help="the node's file; channelgate.toml of the project by default")
    parser.add_argument(
        "--port", metavar="[ADDRESS:]PORT", help='where the node listens; that of CHANNELGATE["URL"] by default'
    )
    parser.add_argument(
        "--proxy", action="store_true", help="the node passes what is not its own on to Django: one port"
    )
    parser.add_argument("--backend", metavar="URL", help=f"where Django answers the node's calls; {DJANGO} by default")


def chosen_file(options: Mapping[str, Any]) -> Path | None:
    """The file that is named, or the project's; None for the built-in presets."""
    named = options.get("config") or os.environ.get("CHANNELGATE_CONFIG")
    return Path(named).absolute() if named else find()


def listen_at(options: Mapping[str, Any]) -> str | None:
    """The address of `--port`."""
    given = options.get("port")
    if not given:
        return None
    text = str(given)
    if not text.isdigit():
        return text
    host = urlsplit(conf().url).hostname or ""
    return f"[::1]:{text}" if host == "::1" else f"127.0.0.1:{text}"


def report(problems: Iterable[Problem], output: Output) -> bool:
    """Shows the problems; returns whether one of them is an error."""
    found = list(problems)
    for problem in found:
        style = output.style.ERROR if problem.level == "error" else output.style.WARNING
        text = f"{problem.level}: {problem.text}"
        output.error(style(f"{text}\n  {problem.hint}" if problem.hint else text))
    return any(problem.level == "error" for problem in found)
