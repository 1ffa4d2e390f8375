"""`manage.py channelgate doctor`: looks at the layer, the node, logins, nginx and routes, and says what to do."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from channelgate.commands import Output
from channelgate.doctor import FAIL, OK, WARN, Context, Result, examine
from channelgate.doctor.order import CHECKS
from channelgate.doctor.result import SKIP

HELP = "Looks at the layer, the node, logins, nginx and routes: a line per check, and what to do. Exits with 1 on FAIL."


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--node", default="", metavar="URL", help='the node; default: CHANNELGATE["URL"]')
    parser.add_argument("--backend", metavar="URL", help="where Django answers the node's calls, as run has it")
    parser.add_argument("--site", metavar="URL", help="the site as browsers see it: checks nginx and the origin, too")
    parser.add_argument("--user", metavar="ID", help="the user of the session; default: the first active one")
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="PATH",
        help="a path at which a socket may be opened, whatever its consumer does then; may be given several times",
    )
    parser.add_argument("--nginx-file", type=Path, metavar="FILE", help="the locations; default: what init wrote")
    parser.add_argument("--code", action="store_true", help="looks for events that are sent inside transactions, too")
    parser.add_argument("--json", action="store_true", help="prints the results as JSON")


def handle(options: Mapping[str, Any], output: Output) -> int:
    """Asks everything; 1 if something fails."""
    context = Context(
        node=options["node"],
        backend=options["backend"],
        site=options["site"],
        user=options["user"],
        allowed_paths=tuple(options["path"]),
        nginx_file=options["nginx_file"],
        code=options["code"],
    )
    found: list[Result] = []
    for result in examine(CHECKS, context):
        found.append(result)
        if not options["json"] and result.status != SKIP:
            for line in lines(result):
                output.line(_coloured(line, result, output))
    if options["json"]:
        output.line(json.dumps([one.data() for one in found], indent=2, ensure_ascii=False))
    else:
        for one in found:
            if one.status == SKIP:
                output.line(f"      not looked at: {one.text}")
    return 1 if any(one.status == FAIL for one in found) else 0


def lines(result: Result) -> list[str]:
    """The line of a result, and below it what to do."""
    first = f"{result.status:<4}  {result.text}"
    return [first, f"      → {result.next}"] if result.next else [first]


def _coloured(line: str, result: Result, output: Output) -> str:
    styles = {OK: output.style.SUCCESS, WARN: output.style.WARNING, FAIL: output.style.ERROR}
    if not line.startswith(result.status):
        return line
    return f"{styles[result.status](line[:4])}{line[4:]}"
