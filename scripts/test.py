#!/usr/bin/env python3
"""Runs kinds of tests one after the other, each a target of the Makefile, and ends with one line per kind.

    scripts/test.py lint unit python clients browser e2e

Every kind is run, even after another fails. A kind fails if its command fails, if it prints a warning, or if it runs no
test. The numbers come from the runners' closing lines, which are printed again before the table.
"""

import dataclasses
import os
import re
import subprocess
import sys
import time

#: Closing lines of cargo test, pytest, node's test runner, vitest and scripts/lint.sh, and what is counted in them.
#: Vitest counts errors outside of tests in a line of their own.
CLOSING = re.compile(
    r"test result: (ok|FAILED)\. |=+ .*\b(passed|failed|error|skipped|no tests ran)\b.* in [\d.]+s"
    r"|ℹ (tests|pass|fail|skipped) \d+|lint: \d+ passed, \d+ failed|(Tests|Errors) +(\d+ \w+|no tests)"
)
COUNTS = re.compile(r"(\d+) (passed|failed|errors?|skipped|ignored)\b|ℹ (pass|fail|skipped) (\d+)")
NAMES = {"pass": "passed", "fail": "failed", "error": "failed", "errors": "failed", "ignored": "skipped"}
#: A warning of cargo or of pytest.
WARNING = re.compile(r"warning(\[\w+\])?: |.*\b\d+ warnings?\b.* in [\d.]+s")
#: The line in which cargo test, pytest, vitest or node's test runner names a test that failed.
FAILED = re.compile(
    r"test (?P<cargo>\S+) \.\.\. FAILED|(FAILED|ERROR) (?P<pytest>\S+::.*)"
    r"|FAIL +(?P<vitest>\S.*)|✖ (?P<node>.*) \([\d.]+ms\)"
)
COLOURS = re.compile(r"\x1b\[[\d;]*m")


@dataclasses.dataclass
class Kind:
    """The result of one kind of tests."""

    name: str
    counts: dict[str, int] = dataclasses.field(default_factory=lambda: {"passed": 0, "failed": 0, "skipped": 0})
    closing: list[str] = dataclasses.field(default_factory=list)
    wrong: list[str] = dataclasses.field(default_factory=list)
    #: The names of the tests that failed, each once; a runner may name one more than once.
    failed: dict[str, None] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0

    def read(self, line: str) -> None:
        """Adds the counts in a line of the output."""
        line = COLOURS.sub("", line).strip()
        if WARNING.match(line):
            self.wrong.append(f"a warning: {line}")
        if failed := FAILED.fullmatch(line):
            self.failed[failed[failed.lastgroup].partition(" - ")[0]] = None
        if not CLOSING.match(line):
            return
        self.closing.append(line)
        for number, name, node_name, node_number in COUNTS.findall(line):
            name = name or node_name
            self.counts[NAMES.get(name, name)] += int(number or node_number)

    def run(self) -> None:
        """Runs the target and shows its output as it comes."""
        began = time.monotonic()
        command = [os.environ.get("MAKE", "make"), "--no-print-directory", self.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            for line in process.stdout:
                print(line, end="", flush=True)
                self.read(line)
        self.seconds = time.monotonic() - began
        if process.returncode:
            self.wrong.append(f"make {self.name} ended with {process.returncode}")
        if self.counts["failed"]:
            self.wrong.append(f"{self.counts['failed']} failed")
        if not self.counts["passed"]:
            self.wrong.append("no test ran")


def report(kinds: list[Kind]) -> bool:
    """Prints the closing lines, the table and the failures; returns whether everything passed."""
    print()
    for kind in kinds:
        for line in kind.closing:
            # The line of a package or documentation without tests.
            if not re.search(r"\. 0 passed; 0 failed; 0 ignored", line):
                print(line)
    print(f"\n{'kind':10}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for kind in kinds:
        numbers = "".join(
            f"{kind.counts[name]:>{width}}" for name, width in (("passed", 8), ("failed", 8), ("skipped", 9))
        )
        print(f"{kind.name:10}{numbers}{kind.seconds:>9.0f}")
    for kind in kinds:
        for wrong in kind.wrong:
            print(f"{kind.name}: {wrong}")
        for name in kind.failed:
            print(f"{kind.name}: FAILED {name}")
    passed, failed = (sum(kind.counts[name] for kind in kinds) for name in ("passed", "failed"))
    # A kind that failed without a failed test counts as one failure.
    failed += sum(bool(kind.wrong) and not kind.counts["failed"] for kind in kinds)
    print(f"{passed} passed, {failed} failed")
    return failed == 0


def main() -> int:
    kinds = [Kind(name) for name in sys.argv[1:]]
    if not kinds:
        sys.exit(__doc__)
    for kind in kinds:
        print(f"\n=== {kind.name} ===", flush=True)
        kind.run()
    return 0 if report(kinds) else 1


if __name__ == "__main__":
    sys.exit(main())
