"""The last pass: `channelgate check` reads what was written, and what it refuses goes back to Python."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from channelgate import binary
from channelgate.translate.bridged import whole
from channelgate.translate.outcome import STAYS
from channelgate.translate.project import Written

_ERROR = re.compile(r"consumer\[(\d+)\][.\w\[\]\"*-]*: (.*)")
#: In place of what `run` takes from the settings: check only asks that they are there.
_STANDINS = {
    "CHANNELGATE_BACKEND_SECRET": "in place of the secret",
    "DJANGO_SECRET_KEY": "in place of the key",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
}
_OURS = ("CHANNELGATE", "REDIS_URL", "DJANGO_SECRET_KEY", "RUST_LOG")


def settle(written: Written, folder: Path) -> str:
    """Lets `check` read the file until it accepts it; returns what to say about it."""
    try:
        program = binary.find()
    except binary.BinaryMissing as error:
        return f"channelgate check has not read the file. {error}"
    for _ in range(len(written.verdicts) + 1):
        errors = _check(program, written.text)
        if not errors:
            return "channelgate check accepts the file."
        served = [(at, one) for at, one in enumerate(written.verdicts) if one.kind != STAYS]
        refused = {int(found[1]): found[2] for found in map(_ERROR.search, errors) if found}
        if not refused:
            break
        for index, reason in refused.items():
            if index < len(served) and served[index][1].table.get("django") is not True:
                at, old = served[index]
                written.verdicts[at] = whole(
                    old.route, old.login, [f"channelgate check refuses the native form: {reason}"]
                )
    return "channelgate check refuses the file, which is a fault of init:\n" + "\n".join(errors)


def _check(program: Path, text: str) -> list[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "channelgate.toml").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [program, "check", "--config", "channelgate.toml"],
            cwd=folder,
            env={**inherited, **_STANDINS},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    if done.returncode == 0:
        return []
    return done.stderr.splitlines() or ["it says nothing"]
