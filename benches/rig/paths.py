"""Where things are, and the parts of the whole system that `scripts/stack.py` can start."""

import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent
RIVALS = BENCHES / "rivals"
RESULTS = BENCHES / "results"
#: What `benches/setup.sh` builds and installs; not in the repository.
WORK = BENCHES / ".work"
BUILT = WORK / "target" / "release"

sys.path.insert(0, str(ROOT / "scripts"))

import stack  # noqa: E402

#: The lock file that says which socketioxide is measured.
MANIFEST = RIVALS / "socketioxide" / "Cargo.lock"

__all__ = ["BENCHES", "BUILT", "MANIFEST", "RESULTS", "RIVALS", "ROOT", "WORK", "stack"]
