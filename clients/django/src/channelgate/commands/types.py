"""`manage.py channelgate types`: TypeScript types of the events that channelgate.toml sends to pages."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from channelgate.commands import Output
from channelgate.nodefile import NodeFileError, place, read
from channelgate.typescript.write import file

HELP = "Prints TypeScript types of the project's events, as channelgate.toml sends them."


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--output", type=Path, metavar="FILE", help="writes this file instead, if it has changed")
    parser.add_argument(
        "--declare",
        action="store_true",
        help="also declares them as the events of @channelgate/client, for createClient() and useEvent()",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="another channelgate.toml")


def handle(options: Mapping[str, Any], output: Output) -> int:
    """Writes the types."""
    path = options["config"] or place()
    try:
        node_file = read(path)
    except NodeFileError as error:
        output.error(str(error))
        return 1
    if node_file is None:
        output.error(f"{path} does not exist: write it with manage.py channelgate init, or name another with --config.")
        return 1
    text = file(node_file, declare=options["declare"])
    target: Path | None = options["output"]
    if target is None:
        output.line(text.rstrip("\n"))
        return 0
    try:
        # A file that is written anew makes its watchers compile again.
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        output.error(f"{target} cannot be written: {error.strerror}")
        return 1
    output.line(f"{target}: the events of {len(node_file.consumers)} consumers")
    return 0
