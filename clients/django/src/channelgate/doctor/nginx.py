"""Checks of the site's nginx: whether it passes WebSockets to the node, and how long it keeps silent ones."""

import re
from collections.abc import Iterator

from channelgate.doctor import handshakes, web
from channelgate.doctor.context import Context
from channelgate.doctor.logins import ORIGIN
from channelgate.doctor.node import SPEAKS
from channelgate.doctor.result import Result, fail, ok, warn

PRINT = "python manage.py channelgate nginx prints the location."
#: What `init` writes beside channelgate.toml.
FILE = "nginx-channelgate.conf"
_TIMEOUT = re.compile(r"^\s*proxy_read_timeout\s+(?P<time>[^;]+);", re.MULTILINE)
_UNITS = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}
#: Seconds; the node pings every 20 s, and a client may be silent for twice that.
SHORTEST = 60


def upgrades(context: Context) -> Iterator[Result]:
    """A handshake for each moved path, with the origin of another site: a node refuses that in words of its own."""
    if context.site is None or context.node_file is None:
        return
    good: list[str] = []
    for consumer in context.node_file.consumers:
        if consumer.protocol != "websocket":
            continue
        for written in consumer.paths:
            path = handshakes.made_up_try(consumer, written).path
            try:
                problem = _problem(context, path, written)
            except web.NoAnswer as error:
                yield fail(f"nginx at {context.site} does not answer: {error}", "Is the address right (--site)?")
                return
            if problem is not None:
                yield problem
            else:
                good.append(written)
    if good:
        yield ok(f"nginx at {context.site} upgrades {', '.join(good)} to the node")


def _problem(context: Context, path: str, written: str) -> Result | None:
    """What is wrong with a path; None if its handshakes reach the node."""
    where = f"nginx at {context.site}"
    site = context.site or ""
    # An ordinary request first: a server that is not the node might run a consumer for a handshake.
    plain = web.ask(site, path)
    if SPEAKS not in plain.detail and "WebSocket" not in plain.detail:
        return _elsewhere(where, plain, written)
    answer = web.handshake(site, path, headers={"Origin": handshakes.EVIL})
    if answer.status == 403 and ORIGIN in answer.detail:
        return None
    if answer.status == 101:
        # The node allows every origin, which its own check says.
        return None
    if answer.status == 426 and "HTTP/1.1" in answer.detail:
        return fail(f"{where} answered 426: the location lacks proxy_http_version 1.1", f"{PRINT} ({written})")
    if answer.status in (400, 426):
        return fail(f"{where} answered {answer.status}: the location lacks the Upgrade headers", f"{PRINT} ({written})")
    return fail(f"{where} answered {answer.status} for {written}: {answer.reason}", "The node's log has the reason.")


def _elsewhere(where: str, answer: web.Answer, written: str) -> Result:
    """A request that the node has not answered as a consumer's."""
    status = answer.status
    if status == 404 and answer.detail.startswith("nothing is served at"):
        return fail(
            f"{where} sends {written} to a node that does not serve it",
            "The node has read another channelgate.toml, or an older one: reload it (kill -HUP).",
        )
    if status in (502, 503, 504):
        return fail(f"{where} answered {status}: no node listens where the location sends {written}", PRINT)
    if status == 200:
        # Some other server answers, as if it were an ordinary page.
        return fail(f"{where} answered 200: the location lacks the Upgrade headers", f"{PRINT} ({written})")
    return fail(f"{where} answered {status}: {written} does not reach the node", PRINT)


def timeouts(context: Context) -> Iterator[Result]:
    """`proxy_read_timeout` in the file that `init` has written, or that `--nginx-file` names."""
    path = context.nginx_file
    if path is None and context.node_file is not None:
        path = context.node_file.path.with_name(FILE)
    if path is None or not path.is_file():
        return
    for match in _TIMEOUT.finditer(path.read_text(encoding="utf-8", errors="replace")):
        seconds = seconds_of(match["time"])
        if seconds is not None and seconds < SHORTEST:
            line = match.string.count("\n", 0, match.start("time")) + 1
            yield warn(
                f"proxy_read_timeout below 60 s: {match['time'].strip()} at {path.name}:{line}",
                "A silent socket would be cut: proxy_read_timeout 1h.",
            )


def seconds_of(text: str) -> float | None:
    """A time as nginx writes it: `60`, `90s`, `1h 30m`."""
    parts = re.findall(r"(\d+)\s*(ms|[smhdwMy]?)", text.strip())
    if not parts or re.sub(r"(\d+)\s*(ms|[smhdwMy]?)\s*", "", text.strip()):
        return None
    return float(sum(int(number) * _UNITS[unit] for number, unit in parts))
