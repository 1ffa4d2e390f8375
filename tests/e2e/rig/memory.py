"""The memory of a process."""

from pathlib import Path

import stack


def memory(part: stack.Part) -> int:
    """Resident memory, in bytes."""
    return _field(part, "status", "VmRSS:")


def private(part: stack.Part) -> int:
    """What it has allocated, in bytes: of the program's own pages another node that starts or ends takes a share."""
    return _field(part, "smaps_rollup", "Anonymous:")


def _field(part: stack.Part, file: str, name: str) -> int:
    for line in Path(f"/proc/{part.pid}/{file}").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name}")
