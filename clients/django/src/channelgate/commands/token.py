"""`manage.py channelgate token --user 7`: a token with which a node admits this user, for tries."""

import argparse
import json
import re
from collections.abc import Mapping
from typing import Any

from channelgate import credentials
from channelgate.commands import Output

HELP = "Prints a token with which a node admits a user."
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--user", required=True, metavar="ID", help="the user's id")
    parser.add_argument(
        "--kind",
        choices=["access", "ws"],
        default="access",
        help="an access token (a JWT), or a ws-token, which is kept in the cache; default: access",
    )
    parser.add_argument(
        "--lifetime", type=seconds, default=300, metavar="TIME", help='"5m", "1h" or seconds; default: 5m'
    )
    parser.add_argument("--claim", action="append", default=[], metavar="NAME=VALUE", help="a further claim of a JWT")


def seconds(text: str) -> int:
    """A time as the node's program reads it."""
    match = re.fullmatch(r"(\d+)\s*([smhd]?)", text.strip())
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f'"{text}" is not a time: write 300, 5m or 1h')
    return int(match[1]) * _UNITS[match[2]]


def handle(options: Mapping[str, Any], output: Output) -> int:
    """Prints the token, and nothing else on standard output."""
    user = int(options["user"]) if re.fullmatch(r"\d{1,18}", options["user"]) else options["user"]
    claims = {}
    for written in options["claim"]:
        name, sign, value = written.partition("=")
        if not sign or not name:
            output.error(f'"{written}" is not a claim: write NAME=VALUE.')
            return 1
        claims[name] = _value(value)
    try:
        if options["kind"] == "ws":
            token = credentials.ws_token(user, options["lifetime"]).text
        else:
            token = credentials.access_token(user, options["lifetime"], claims)
    except Exception as error:
        output.error(f"The token was not made: {type(error).__name__}: {error}")
        return 1
    output.line(token)
    return 0


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
