"""Paths, and the parts of the whole system from `scripts/stack.py`."""

import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent
RIVALS = BENCHES / "rivals"
RESULTS = BENCHES / "results"
#: Files that `benches/setup.sh` builds and installs; not in the repository.
WORK = BENCHES / ".work"
BUILT = WORK / "target" / "release"

sys.path.insert(0, str(ROOT / "scripts"))

import stack  # noqa: E402

#: The lock file with the measured version of socketioxide.
MANIFEST = RIVALS / "socketioxide" / "Cargo.lock"

__all__ = ["BENCHES", "BUILT", "MANIFEST", "RESULTS", "RIVALS", "ROOT", "WORK", "stack"]
