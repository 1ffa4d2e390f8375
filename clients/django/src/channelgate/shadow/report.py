"""A comparison as lines for people, or as JSON."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from channelgate.shadow.compare import Comparison, Finding, show
from channelgate.shadow.latency import Latency, latency
from channelgate.shadow.recorded import Recorded, Recording

#: Findings that are printed; JSON has all of them.
MOST = 20
_HANDSHAKE, _CLOSE = ("handshake",), ("close",)


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What was asked for."""

    path: str
    visitor: str
    seconds: float


def lines(run: Run, recorded: Recorded, found: Comparison) -> Iterator[str]:
    """The report for people."""
    yield f"{run.path} as {run.visitor}, {run.seconds:.0f} s"
    for side in (recorded.left, recorded.right):
        yield f"  {side.name:5}  {side.base}  {_handshake(side)}, {_count(len(side.frames), 'frame')}"
    yield ""
    yield from _part(found, "handshake", _HANDSHAKE, _handshakes(recorded))
    yield from _part(found, "close", _CLOSE, _closes(recorded))
    others = {finding.kind for finding in found.findings} - {*_HANDSHAKE, *_CLOSE}
    yield from _part(found, "frames", tuple(others), f"{_count(found.same, 'frame')} the same on both sides")
    for note in found.notes:
        yield f"note  {note}"
    for what, left, right in _latencies(found):
        yield f"{what}: left {_times(left)}, right {_times(right)}{_apart(left, right)}"
    yield ""
    yield _verdict(recorded, found)


def _part(found: Comparison, name: str, kinds: Sequence[str], text: str) -> Iterator[str]:
    findings = [finding for finding in found.findings if finding.kind in kinds]
    yield f"FAIL  {name}" if findings else f"ok    {name}: {text}"
    for finding in findings[:MOST]:
        yield f"      {_finding(finding)}"
    if len(findings) > MOST:
        yield f"      and {len(findings) - MOST} more: --json has all of them"


def _finding(finding: Finding) -> str:
    where = f"at {finding.at:.2f} s, {finding.act}" if finding.at else finding.act
    return f"{finding.kind} ({where}): {finding.text}"


def _handshake(side: Recording) -> str:
    if not side.connections:
        return "was not opened"
    first = side.connections[0].handshake
    return f"{first.status} after {first.seconds * 1000:.1f} ms"


def _handshakes(recorded: Recorded) -> str:
    first = recorded.left.connections[0].handshake
    more = len(recorded.left.connections) - 1
    again = f", and {more} more" if more else ""
    if first.status != 101:
        return f"both sides refuse with {first.status}{again}"
    return f"101, {f'subprotocol {first.subprotocol}' if first.subprotocol else 'without a subprotocol'}{again}"


def _closes(recorded: Recorded) -> str:
    codes = [connection.closed.code for connection in recorded.left.connections if connection.closed]
    if codes:
        return f"both sides closed with {', '.join(map(str, codes))}"
    is_open = any(connection.handshake.status == 101 for connection in recorded.left.connections)
    return "both sides stayed open" if is_open else "nothing was open"


def _verdict(recorded: Recorded, found: Comparison) -> str:
    if not found.is_equal:
        return f"The sides differ: {_count(len(found.findings), 'difference')}."
    if all(connection.handshake.status != 101 for connection in recorded.left.connections):
        return "No difference, but both sides refuse this client: no frame was compared."
    if not found.same:
        return "No difference, but no frame came on either side: listen while something happens, or use --script."
    return "No difference."


def _latencies(found: Comparison) -> list[tuple[str, Latency | None, Latency | None]]:
    pairs = (("answer to a message", found.answers), ("behind the faster side", found.behind))
    timed = [(what, latency(left), latency(right)) for what, (left, right) in pairs]
    return [one for one in timed if one[1] or one[2]]


def _times(one: Latency | None) -> str:
    return "nothing" if one is None else f"p50 {one.p50} ms p99 {one.p99} ms"


def _apart(left: Latency | None, right: Latency | None) -> str:
    if left is None or right is None:
        return ""
    return f"; right - left p50 {right.p50 - left.p50:+.1f} ms p99 {right.p99 - left.p99:+.1f} ms"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def as_json(run: Run, recorded: Recorded, found: Comparison) -> str:
    """The whole comparison for programs."""
    document: dict[str, Any] = {
        "path": run.path,
        "visitor": run.visitor,
        "seconds": run.seconds,
        "equal": found.is_equal,
        "same": found.same,
        "left": _side(recorded.left),
        "right": _side(recorded.right),
        "latency": {
            name: {"left": _milliseconds(left), "right": _milliseconds(right)}
            for name, (left, right) in (("answer", found.answers), ("behind", found.behind))
        },
        "differences": [_difference(finding) for finding in found.findings],
        "notes": found.notes,
    }
    return json.dumps(document, ensure_ascii=False, indent=2)


def _side(side: Recording) -> dict[str, Any]:
    return {
        "url": side.base,
        "frames": len(side.frames),
        "connections": [
            {
                "status": one.handshake.status,
                "subprotocol": one.handshake.subprotocol,
                "ms": round(one.handshake.seconds * 1000, 1),
                "close": None if one.closed is None else {"code": one.closed.code, "reason": one.closed.reason},
            }
            for one in side.connections
        ],
    }


def _milliseconds(seconds: Sequence[float]) -> Mapping[str, float] | None:
    found = latency(seconds)
    return None if found is None else {"count": found.count, "p50_ms": found.p50, "p99_ms": found.p99}


def _difference(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "act": finding.act,
        "at": round(finding.at, 3),
        "path": finding.path,
        "left": _plain(finding.left),
        "right": _plain(finding.right),
        "text": finding.text,
    }


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | list | dict) else show(value)
