"""`manage.py channelgate shadow`: the same path on two servers as the same user, compared."""

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from channelgate.commands import Output
from channelgate.conf import conf
from channelgate.shadow import ignore, login, origin, report, script, target
from channelgate.shadow.compare import TOLERANCE, compare
from channelgate.shadow.recorded import Recorded
from channelgate.shadow.secrets import Secrets

HELP = "Opens a path on Daphne and on a node as the same user, and compares what arrives."

EQUAL, DIFFERENT, NOT_COMPARED = 0, 1, 2
#: Where a node listens if nothing else is said.
NODE = "http://127.0.0.1:8001"
_WRONG = (target.WrongAddress, script.WrongScript, ignore.WrongPath, login.NoLogin)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--path", required=True, help="the path as the browser opens it: /ws/orders/7/")
    parser.add_argument("--left", required=True, help="the old server, ws://127.0.0.1:8000")
    parser.add_argument("--right", help='a node; default: CHANNELGATE["URL"]')
    parser.add_argument("--user", help="primary key: a session is made for this user, and removed afterwards")
    parser.add_argument("--token", help="goes into the query as token=; env:NAME reads it from the environment")
    parser.add_argument("--cookie", action="append", default=[], metavar="NAME=VALUE", help="may be given again")
    parser.add_argument("--header", action="append", default=[], metavar="NAME: VALUE", help="may be given again")
    parser.add_argument("--subprotocol", action="append", default=[], help="offered to both; may be given again")
    parser.add_argument("--origin", help="default: the left's host, or the first one of ALLOWED_HOSTS")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to listen; default: 60")
    parser.add_argument("--script", type=Path, help="messages to send to both: what they write is written twice")
    parser.add_argument("--ignore", action="append", default=[], metavar="PATH", help="left out of frames: $.at")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="seconds by which times may differ")
    parser.add_argument("--quiet", type=float, default=0.5, help="seconds of silence after which a message is answered")
    parser.add_argument("--json", action="store_true", help="the whole comparison as JSON")


def handle(options: Mapping[str, Any], output: Output) -> int:
    """0 if both sides are equal, 1 if they differ, 2 if they could not be compared."""
    secrets = Secrets()
    try:
        ignored = [ignore.parse(path) for path in options["ignore"]]
        steps = script.read(options["script"]) if options["script"] is not None else []
        path = target.path(options["path"])
        right = options["right"] or str(getattr(conf(), "url", NODE))
        sides = [
            target.Target(name, target.base(f"--{name}", value), path)
            for name, value in (("left", options["left"]), ("right", right))
        ]
        for secret in target.secrets_in(path):
            secrets.add(secret)
        given = {**options, "origin": options["origin"] or origin.default(sides[0].base)}
        with login.visitor(given, secrets) as visitor:
            recorded = _recorded(sides, visitor, steps, options)
            name = visitor.name
    except (*_WRONG, ModuleNotFoundError) as error:
        output.error(secrets.hide(_text(error)))
        return NOT_COMPARED
    if isinstance(recorded, str):
        output.error(secrets.hide(f"{recorded}. Nothing was compared."))
        return NOT_COMPARED
    found = compare(recorded, ignored, options["tolerance"])
    run = report.Run(path.partition("?")[0], name, options["seconds"])
    text = [report.as_json(run, recorded, found)] if options["json"] else report.lines(run, recorded, found)
    for line in text:
        output.line(secrets.hide(line))
    return EQUAL if found.is_equal else DIFFERENT


def _text(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        if error.name is None or not error.name.startswith("websockets"):
            raise error
        return "shadow needs websockets 13 or later: pip install 'channelgate[shadow]'"
    return str(error)


def _recorded(
    sides: Sequence[target.Target], visitor: target.Visitor, steps: Sequence[script.Step], options: Mapping[str, Any]
) -> Recorded | str:
    """The recording, or why there is none."""
    from channelgate.shadow.handshake import Unreachable
    from channelgate.shadow.record import TooMuch
    from channelgate.shadow.run import Shadow, run

    async def go() -> Recorded:
        stop = asyncio.Event()
        with _ended_by_signals(stop):
            shadow = Shadow(sides[0], sides[1], visitor, options["quiet"])
            return await run(shadow, steps, options["seconds"], options["tolerance"], stop)

    try:
        return asyncio.run(go())
    except (Unreachable, TooMuch) as error:
        return str(error)


@contextlib.contextmanager
def _ended_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the listening: the report has what came so far, and the session is removed."""
    loop = asyncio.get_running_loop()
    added = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers, and a thread must not set any.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
            added.append(number)
    try:
        yield
    finally:
        for number in added:
            loop.remove_signal_handler(number)
