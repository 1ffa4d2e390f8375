"""How much memory a process takes."""

from pathlib import Path

import stack


def memory(part: stack.Part) -> int:
    """Resident memory, in bytes."""
    for line in Path(f"/proc/{part.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")
