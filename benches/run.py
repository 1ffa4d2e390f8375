#!/usr/bin/env python3
"""The benchmarks: every row of docs/BENCHMARKS.md, or the named ones.

    benches/setup.sh                    builds the node and installs the rivals
    benches/run.py --quick              everything, small, in minutes: checks that it runs and delivers correctly
    benches/run.py                      everything, as published
    benches/run.py broadcast-1000 idle  these rows
    benches/run.py --list               the rows, with how long each takes

In each round the candidates are measured in turn, in a different order, each with its own Redis: servers on
core 0, the generator, Redis and publishers on core 1. Results go to benches/results/, one file per row; those of
--quick stay out of the repository. The exit code is 1 if Channelgate lost, doubled or reordered any message.
"""

import argparse
import json
import os
import resource
import sys
import time

from rig import cell, machine
from rig.paths import BUILT, RESULTS, ROOT, WORK, stack
from rig.rows import ROWS, Row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows to measure (all)")
    parser.add_argument("--quick", action="store_true", help="small and short, to see that everything works")
    parser.add_argument("--rounds", type=int, help="rounds of each row")
    parser.add_argument("--only", action="append", default=[], metavar="CANDIDATE", help="only these candidates")
    parser.add_argument("--list", action="store_true", help="say what there is")
    options = parser.parse_args()
    for name in options.rows:
        if name not in ROWS:
            parser.error(f"unknown row {name}; known rows are {', '.join(ROWS)}")
    if options.list:
        for name, row in ROWS.items():
            print(f"{name:20} {row.rounds} x {len(row.candidates):2}  {row.title}")
        return 0
    os.environ.setdefault("CHANNELGATE_BIN", str(ROOT / "target" / "release" / "channelgate"))
    if not (BUILT / "load").exists() or not stack.binary().exists():
        parser.error("run benches/setup.sh first")
    raise_limits()
    wrong: list[str] = []
    for name in options.rows or ROWS:
        wrong += measure(name, ROWS[name], options)
    for line in wrong:
        print(f"WRONG {line}", file=sys.stderr)
    return 1 if wrong else 0


def raise_limits() -> None:
    """Allows 10,000 open files, for as many connections in servers and generator; children inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def measure(name: str, row: Row, options: argparse.Namespace) -> list[str]:
    """Runs all rounds of a row; returns Channelgate's failures."""
    began, wrong, missing = time.monotonic(), [], []
    candidates = [candidate for candidate in row.candidates if not options.only or candidate in options.only]
    for candidate in list(candidates):
        if not all(path.exists() for path in cell.ALL[candidate].needs):
            candidates.remove(candidate)
            missing.append(candidate)
    arguments = {**row.arguments, **(row.quick if options.quick else {})}
    rounds = options.rounds or (1 if options.quick else row.rounds)
    results: list[dict[str, dict]] = []
    for number in range(rounds):
        results.append({})
        # The first candidate meets a different state of the machine than the last.
        turn = candidates[number % len(candidates) :] + candidates[: number % len(candidates)] if candidates else []
        for candidate in turn:
            if number >= cell.ALL[candidate].rounds:
                continue
            try:
                report = cell.run(name, row, candidate, arguments)
            except cell.CellError as error:
                # A candidate's log may contain paths; the results get only its first line.
                print(f"{name} {candidate}: {error}", file=sys.stderr)
                report = {"error": str(error).splitlines()[0], "exit": 2}
            results[-1][candidate] = report
            print(f"{name} {number + 1}/{rounds} {candidate}: {summary(report)}", flush=True)
            if cell.ALL[candidate].ours and report["exit"]:
                wrong.append(f"{name}, round {number + 1}, {candidate}: {summary(report)}")
            cell.pause()
    document = {
        "row": name,
        "title": row.title,
        "mode": row.mode,
        "reference": row.reference,
        "bounds": row.bounds,
        "arguments": arguments,
        "measured": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine.describe(),
        "channelgate": machine.channelgate(),
        "versions": {
            c: {package: machine.version(kind, package) for kind, package in cell.ALL[c].versions} for c in candidates
        },
        "not_available": missing,
        "titles": {candidate: cell.ALL[candidate].title for candidate in candidates},
        "seconds": round(time.monotonic() - began),
        "rounds": results,
    }
    folder = WORK / "quick" if options.quick or options.only or options.rounds else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    print(f"{name}: {document['seconds']} s", flush=True)
    return wrong


def summary(report: dict) -> str:
    """One line for the terminal."""
    if "error" in report:
        return report["error"]
    run, connect = report["run"], report["connect"]
    figures = {
        "us/handshake": connect.get("server_us_per_handshake"),
        "bytes/conn": report["memory"]["pss_bytes_per_connection"],
        "us/delivery": run.get("server_us_per_delivery"),
        "node us/message": run.get("node_us_per_message"),
        "us/message": run.get("server_us_per_message"),
        "messages/s": run.get("messages_per_s"),
        "p99 ms": (run.get("latency_ms") or {}).get("p99"),
        "missed away": run.get("missed_away"),
        "peak handshakes/s": run.get("peak_handshakes_per_s"),
    }
    verdict = ", ".join(f"{run[key]} {key}" for key in ("lost", "doubled", "reordered", "closed_by_server") if run[key])
    text = "; ".join(f"{value:g} {key}" for key, value in figures.items() if value is not None)
    failed = f"; {connect['open']} of {report['connections']} open" if connect["open"] < report["connections"] else ""
    return f"{text}{failed}; {verdict or 'every number right'}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except stack.StackError as error:
        sys.exit(str(error))
