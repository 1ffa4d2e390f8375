#!/usr/bin/env python3
"""Renders the tables of docs/BENCHMARKS.md from benches/results/; the text around them is written by hand.

Each table is between `<!-- table: ROW [ROW…] -->` and `<!-- end -->`. With --check nothing is written, and the exit
code is 1 if the document differs from the results.
"""

import argparse
import json
import re
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "BENCHMARKS.md"


class Result:
    """One row's file."""

    def __init__(self, path: Path):
        self.document = json.loads(path.read_text())
        self.rounds: list[dict] = self.document["rounds"]
        self.reference: str = self.document["reference"]
        self.title: str = self.document["title"]

    @property
    def candidates(self) -> list[str]:
        return list(self.document["titles"])

    def name(self, candidate: str) -> str:
        title = self.document["titles"][candidate]
        return f"**{title}**" if candidate.startswith(("channelgate", "bridge")) else title

    def bound(self, candidate: str) -> str:
        """The most that the candidate may cost, in units of the reference."""
        bound = self.document.get("bounds", {}).get(candidate)
        return "" if bound is None else f"{bound} ×"

    def values(self, candidate: str, *path: str) -> list[float]:
        """One figure, from every round that has it."""
        return [value for cells in self.rounds if (value := dig(cells.get(candidate, {}), path)) is not None]

    def ratios(self, candidate: str, *path: str) -> list[float]:
        """The ratio to the reference, round by round."""
        pairs = (
            (dig(cells.get(candidate, {}), path), dig(cells.get(self.reference, {}), path)) for cells in self.rounds
        )
        return [one / other for one, other in pairs if one is not None and other]

    def wrong(self, candidate: str) -> str:
        """The numbers of lost, doubled and reordered messages in all rounds."""
        cells = [cells[candidate] for cells in self.rounds if candidate in cells]
        if any("error" in cell for cell in cells):
            return "failed"
        keys = ("lost", "doubled", "reordered", "misrouted", "closed_by_server")
        sums = {key.replace("_", " "): sum(cell["run"].get(key, 0) for cell in cells) for key in keys}
        refused = sum(cell["connections"] - cell["connect"]["open"] for cell in cells)
        found = [f"{count:,} {key}" for key, count in {**sums, "not connected": refused}.items() if count]
        return ", ".join(found) or "0"


def dig(cell: dict, path: tuple[str, ...]) -> float | None:
    for key in path:
        cell = cell.get(key) if isinstance(cell, dict) else None
    return cell if isinstance(cell, int | float) else None


def number(value: float) -> str:
    """Three significant digits, with separated thousands."""
    if value >= 1000:
        return f"{round(value, -max(0, len(str(int(value))) - 3)):,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: list[float]) -> str:
    """The median, and the range if there are several values."""
    if not values:
        return "–"
    middle, low, high = number(statistics.median(values)), number(min(values)), number(max(values))
    return middle if low == high else f"{middle} ({low} – {high})"


def times(values: list[float]) -> str:
    return "–" if not values else f"{spread(values)} ×"


def table(head: list[str], lines: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines])


def deliveries(result: Result) -> str:
    """The table of broadcast and groups."""
    head = ["", "server CPU µs per delivery", "ratio", "deliveries/s", "p50 ms", "p99 ms", "lost, doubled, reordered"]
    lines = [
        [
            result.name(one),
            spread(result.values(one, "run", "server_us_per_delivery")),
            times(result.ratios(one, "run", "server_us_per_delivery")),
            spread(result.values(one, "run", "deliveries_per_s")),
            spread(result.values(one, "run", "latency_ms", "p50")),
            spread(result.values(one, "run", "latency_ms", "p99")),
            result.wrong(one),
        ]
        for one in result.candidates
    ]
    return table(head, lines)


def latency(result: Result) -> str:
    head = ["", "p50 ms", "p99 ms", "p99.9 ms", "most ms", "server CPU µs per delivery", "lost, doubled, reordered"]
    lines = [
        [
            result.name(one),
            *[spread(result.values(one, "run", "latency_ms", key)) for key in ("p50", "p99", "p99_9", "max")],
            spread(result.values(one, "run", "server_us_per_delivery")),
            result.wrong(one),
        ]
        for one in result.candidates
    ]
    return table(head, lines)


def idle(result: Result) -> str:
    head = ["", "bytes per connection (PSS)", "process before, MB", "server CPU ms per s"]
    lines = [
        [
            result.name(one),
            spread([max(0, value) for value in result.values(one, "run", "memory", "pss_bytes_per_connection")]),
            spread([value / 1024 for value in result.values(one, "memory", "pss_kb_before")]),
            spread(result.values(one, "run", "server_ms_per_s")),
        ]
        for one in result.candidates
    ]
    return table(head, lines)


def connect(result: Result) -> str:
    head = [
        "",
        "server CPU µs per handshake",
        "ratio",
        "handshakes/s",
        "p50 ms",
        "p99 ms",
        "failed attempts",
        "not connected",
    ]
    lines = [
        [
            result.name(one),
            spread(result.values(one, "connect", "server_us_per_handshake")),
            times(result.ratios(one, "connect", "server_us_per_handshake")),
            spread(result.values(one, "connect", "per_s")),
            spread(result.values(one, "run", "handshake_ms", "p50")),
            spread(result.values(one, "run", "handshake_ms", "p99")),
            f"{sum(result.values(one, 'connect', 'failed_attempts')):.0f}",
            result.wrong(one),
        ]
        for one in result.candidates
    ]
    return table(head, lines)


def ingest(results: list[Result]) -> str:
    head = ["", "messages/s", "node CPU µs per message", "Redis CPU µs per message", "lost, doubled, reordered"]
    lines = [
        [
            f"{result.title}: {result.name(one)}",
            spread(result.values(one, "run", "messages_per_s")),
            spread(result.values(one, "run", "server_us_per_message")),
            spread(result.values(one, "run", "redis_us_per_message")),
            result.wrong(one),
        ]
        for result in results
        for one in result.candidates
    ]
    return table(head, lines)


def growth(results: list[Result]) -> str:
    head = [
        "",
        "CPU µs per delivery, all nodes",
        "Redis CPU µs per message",
        "memory of all nodes, MB",
        "lost, doubled, reordered",
    ]
    lines = [
        [
            result.title,
            spread(result.values("channelgate", "run", "server_us_per_delivery")),
            spread(result.values("channelgate", "run", "redis_us_per_message")),
            spread([value / 1024 for value in result.values("channelgate", "memory", "pss_kb")]),
            result.wrong("channelgate"),
        ]
        for result in results
    ]
    return table(head, lines)


def storm(result: Result) -> str:
    cells = [cells["channelgate"] for cells in result.rounds if "run" in cells["channelgate"]]
    marks = [(number, mark) for number, cell in enumerate(cells, 1) for mark in cell["run"]["marks"]]
    events = table(
        ["", "most clients away at once", "first lost after s", "all back after s"],
        [
            [
                f"{mark['name']}, round {number}" if len(cells) > 1 else mark["name"],
                f"{mark['most_away']:,}",
                "–" if mark["first_lost_after_s"] is None else f"{mark['first_lost_after_s']:.1f}",
                "–" if mark["all_back_after_s"] is None else f"{mark['all_back_after_s']:.1f}",
            ]
            for number, mark in marks
        ],
    )

    def line(title: str, *path: str) -> list[str]:
        return [title, spread([value for cell in cells if (value := dig(cell, ("run", *path))) is not None])]

    whole = table(
        ["", "in all"],
        [
            ["clients", spread([cell["connections"] for cell in cells])],
            line("messages published", "published"),
            line("delivered to clients", "delivered"),
            line("handshakes again", "handshakes_again"),
            line("peak handshakes/s", "peak_handshakes_per_s"),
            line("attempts that failed", "failed_attempts"),
            line("away, p50 ms", "away_ms", "p50"),
            line("away, p99 ms", "away_ms", "p99"),
            line("missed: published while the client was away", "missed_away"),
            line("missed: under way when the connection ended", "cut_at_the_end"),
            ["silently lost, doubled, reordered", result.wrong("channelgate")],
        ],
    )
    return f"{events}\n\n{whole}"


def bridge(result: Result) -> str:
    """Django's processes and the node apart."""
    part, each = ("connect", "handshake") if result.document["mode"] == "connect" else ("run", "message")
    rate = ("connect", "per_s") if part == "connect" else ("run", "messages_per_s")
    latency = "handshake_ms" if part == "connect" else "latency_ms"
    head = [
        "",
        f"Django CPU µs per {each}",
        "ratio",
        "at most",
        f"node CPU µs per {each}",
        f"{each}s/s",
        "p50 ms",
        "p99 ms",
        "lost, doubled, reordered",
    ]
    lines = [
        [
            result.name(one),
            spread(result.values(one, part, f"server_us_per_{each}")),
            times(result.ratios(one, part, f"server_us_per_{each}")),
            result.bound(one),
            spread(result.values(one, part, f"node_us_per_{each}")),
            spread(result.values(one, *rate)),
            spread(result.values(one, "run", latency, "p50")),
            spread(result.values(one, "run", latency, "p99")),
            result.wrong(one),
        ]
        for one in result.candidates
    ]
    return table(head, lines)


def bridge_memory(result: Result) -> str:
    """What a connection takes in the node, and what is left of it beside a plain one and its own state."""
    path = ("run", "memory", "pss_bytes_per_connection")
    head = ["", "bytes per connection (PSS)", "its state in Django's reply, bytes", "more than plain and state, bytes"]

    def more(one: str) -> str:
        rounds = [cells for cells in result.rounds if one in cells and result.reference in cells]
        pairs = [(dig(cells[one], path), dig(cells[result.reference], path), cells[one]) for cells in rounds]
        left = [own - plain - cell.get("state_bytes", 0) for own, plain, cell in pairs if None not in (own, plain)]
        return "" if one == result.reference else spread(left)

    lines = [
        [result.name(one), spread(result.values(one, *path)), spread(result.values(one, "state_bytes")), more(one)]
        for one in result.candidates
    ]
    return table(head, lines)


def bridge_profile(results: list[Result]) -> str:
    """The groups of functions, as shares and in µs of the call without a profiler."""
    (shares,) = [cells["bridge-profiled"].get("profile", {}) for cells in results[0].rounds[:1]]
    call = [
        value for result in results[1:] for value in result.values("bridge-uvicorn", "run", "server_us_per_message")
    ]
    lines = [
        [name, f"{share * 100:.0f} %", f"{share * statistics.median(call):.0f}" if call else "–"]
        for name, share in shares.items()
    ]
    return table(["", "share", "µs of a call"], lines)


def machine(results: list[Result]) -> str:
    """The machine and the versions of the measurement."""
    first = results[0].document
    versions: dict[str, str] = {}
    for result in results:
        for packages in result.document["versions"].values():
            versions.update(packages)
    where = first["machine"]
    days = sorted({result.document["measured"] for result in results})
    commits = sorted({result.document["channelgate"] for result in results})
    return table(
        ["", ""],
        [
            ["measured", " to ".join(sorted({days[0], days[-1]}))],
            ["machine", f"{where['cores']} cores ({where['processor']}), {where['system']}, Linux {where['kernel']}"],
            ["Channelgate", ", ".join(commits)],
            ["Redis", where["redis"]],
            *[[name, version] for name, version in sorted(versions.items(), key=lambda item: item[0].lower())],
        ],
    ).replace("---:", "---")


def rendered(names: list[str], folder: Path) -> str:
    paths = sorted(folder.glob("*.json")) if names == ["versions"] else [folder / f"{name}.json" for name in names]
    results = [Result(path) for path in paths if path.exists()]
    if not results:
        return "*not measured yet*"
    if names == ["versions"]:
        return machine(results)
    result, mode = results[0], results[0].document["mode"]
    if names[0].startswith("growth"):
        return growth(results)
    if names[0].startswith("ingest"):
        return ingest(results)
    if names[0].startswith("bridge"):
        special = {"bridge-idle": bridge_memory, "bridge-profile": lambda _: bridge_profile(results)}
        return special.get(names[0], bridge)(result)
    if names[0].startswith("latency"):
        return latency(result)
    kinds = {"idle": idle, "connect": connect, "storm": storm}
    return kinds.get(mode, deliveries)(result)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="where the results are")
    options = parser.parse_args()
    text = DOCUMENT.read_text()

    def fill(found: re.Match) -> str:
        return f"<!-- table: {found[1]} -->\n{rendered(found[1].split(), options.results)}\n<!-- end -->"

    new = re.sub(r"<!-- table: ([^>]+?) -->.*?<!-- end -->", fill, text, flags=re.DOTALL)
    if options.check:
        return int(new != text)
    DOCUMENT.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
