"""`manage.py channelgate nginx`: the locations that send moved paths to the node."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from channelgate.commands import Output
from channelgate.conf import conf
from channelgate.nginx import locations
from channelgate.nodefile import NodeFileError, place, read

HELP = "Prints an nginx location for each path of channelgate.toml; everything else stays where it is."


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--node", metavar="ADDRESS", help='where nginx finds the node; default: CHANNELGATE["URL"]')
    parser.add_argument("--config", type=Path, metavar="FILE", help="another channelgate.toml")


def handle(options: Mapping[str, Any], output: Output) -> int:
    """Prints the locations."""
    path = options["config"] or place()
    try:
        node_file = read(path)
        if node_file is None:
            output.error(
                f"{path} does not exist: write it with manage.py channelgate init, or name another with --config."
            )
            return 1
        node = options["node"] or conf().url
        output.line(locations(node_file.paths, node).rstrip("\n"))
    except (NodeFileError, ValueError) as error:
        output.error(str(error))
        return 1
    return 0
