"""The table at the end: route, verdict, why."""

import re
from collections import Counter
from collections.abc import Sequence

from channelgate.translate.outcome import BRIDGED, CALLS, NATIVE, STAYS, Verdict

_WIDTH = 150
#: A place, a statement and a reason: in the table the reason comes first.
_PROBLEM = re.compile(r"(\S+:\d+)(?:: .*)? \((.*)\)\Z", re.DOTALL)


def table(verdicts: Sequence[Verdict]) -> list[str]:
    """A line for each route, and the counts."""
    rows = [(one.route.path or one.route.shown, one.kind, one.why_line) for one in verdicts]
    if not rows:
        return ["ASGI_APPLICATION has no routes of WebSockets."]
    widths = [max(len(row[column]) for row in [("route", "verdict", ""), *rows]) for column in (0, 1)]
    lines = [f"{'route':<{widths[0]}}  {'verdict':<{widths[1]}}  why"]
    for path, kind, why in rows:
        lines.append(f"{path:<{widths[0]}}  {kind:<{widths[1]}}  {_short(why, max(40, _WIDTH - sum(widths)))}")
    counts = Counter(one.kind for one in verdicts)
    lines.append("")
    lines.append(", ".join(f"{counts[kind]} {kind}" for kind in (NATIVE, CALLS, BRIDGED, STAYS) if counts[kind]))
    return lines


def _short(text: str, width: int) -> str:
    if found := _PROBLEM.match(text):
        text = f"{found[2]} ({found[1]})"
    return text if len(text) <= width else text[: width - 1] + "…"
