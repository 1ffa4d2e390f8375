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
    where = f"nginx at {context.site}"
    good: list[str] = []
    troubles: dict[tuple[str, str], list[str]] = {}
    for consumer in context.node_file.consumers:
        for written in consumer.paths if consumer.protocol == "websocket" else ():
            try:
                trouble = _trouble(context.site, handshakes.made_up_try(consumer, written).path)
            except web.NoAnswer as error:
                yield fail(f"{where} does not answer: {error}", "Is the address right (--site)?")
                return
            (good if trouble is None else troubles.setdefault(trouble, [])).append(written)
    for (text, cure), paths in troubles.items():
        yield fail(f"{where} {text}", f"{cure} ({', '.join(paths)})")
    if good:
        yield ok(f"{where} upgrades {', '.join(good)} to the node")


def _trouble(site: str, path: str) -> tuple[str, str] | None:
    """What is wrong with a path, and what to do; None if its handshakes reach the node."""
    # An ordinary request first: a server that is not the node might run a consumer for a handshake.
    plain = web.ask(site, path)
    if SPEAKS not in plain.detail and "WebSocket" not in plain.detail:
        return _elsewhere(plain)
    answer = web.handshake(site, path, headers={"Origin": handshakes.EVIL})
    # 101: the node allows every origin, which another check says.
    if answer.status == 101 or (answer.status == 403 and ORIGIN in answer.detail):
        return None
    if answer.status == 426 and "HTTP/1.1" in answer.detail:
        return "answered 426: the location lacks proxy_http_version 1.1", PRINT
    if answer.status in (400, 426):
        return f"answered {answer.status}: the location lacks the Upgrade headers", PRINT
    return f"answered {answer.status}: {answer.reason}", "The node's log has the reason."


def _elsewhere(answer: web.Answer) -> tuple[str, str]:
    """A request that no node has answered as a consumer's."""
    status = answer.status
    if status == 404 and answer.detail.startswith("nothing is served at"):
        return "sends it to a node that does not serve it", "The node has read another channelgate.toml: reload it."
    if status in (502, 503, 504):
        return f"answered {status}: no node listens where the location sends it", PRINT
    if status == 200:
        # Some other server answers, as if it were an ordinary page.
        return "answered 200: the location lacks the Upgrade headers", PRINT
    return f"answered {status}: the path does not reach the node", PRINT


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
