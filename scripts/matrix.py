#!/usr/bin/env python3
"""Runs the tests of the Django package with every pair of Python and Django whose interpreter is on this machine.

    scripts/matrix.py                     every pair
    scripts/matrix.py 3.12 / 6.0          the pairs of these versions; either side may be left out

Each pair has an environment of its own in .run/matrix, which is kept. A missing interpreter is named and skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "clients" / "django"
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
#: Django, the Pythons that it supports, and the oldest Channels that does.
DJANGOS = {
    "4.2": (["3.10", "3.11", "3.12"], "channels==4.1.*"),
    "5.2": (["3.10", "3.11", "3.12", "3.13", "3.14"], "channels>=4.2"),
    "6.0": (["3.12", "3.13", "3.14"], "channels>=4.3"),
    "6.1": (["3.12", "3.13", "3.14"], "channels>=4.3"),
}
TOOLS = [
    "pytest",
    "pytest-asyncio",
    "pytest-django",
    "pytest-timeout",
    "hypothesis",
    "pytz",
    "pyyaml",
    "tomli;python_version<'3.11'",
    "websockets",
    "daphne",
    "channels_redis",
]
TOOLS += ["djangorestframework", "djangorestframework_simplejwt", "pytest-django"]


def interpreter(version: str) -> str | None:
    """A Python of this version that starts. A shim of pyenv may not."""
    found = [shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    for candidate in found:
        if candidate is None:
            continue
        asked = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0 and asked.stdout.strip() == version:
            return str(candidate)
    return None


def environment(python: str, version: str, django: str) -> Path:
    """The pair's environment, made once."""
    folder = ROOT / ".run" / "matrix" / f"{version}-{django}"
    program = folder / "bin" / "python"
    ready = folder / "ready"
    wanted = " ".join([f"Django=={django}.*", DJANGOS[django][1], *TOOLS])
    if ready.exists() and ready.read_text() == wanted:
        return program
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    install = [program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *wanted.split()], check=True)
    ready.write_text(wanted)
    return program


def main() -> int:
    wanted = sys.argv[1:]
    pythons = [name for name in wanted if name in PYTHONS] or PYTHONS
    djangos = [name for name in wanted if name in DJANGOS] or list(DJANGOS)
    outcomes: dict[str, str] = {}
    for version in pythons:
        python = interpreter(version)
        for django in djangos:
            if version not in DJANGOS[django][0]:
                continue
            pair = f"Python {version}, Django {django}"
            if python is None:
                outcomes[pair] = "skipped: the interpreter is missing"
                continue
            print(f"\n=== {pair} ===", flush=True)
            try:
                program = environment(python, version, django)
            except subprocess.CalledProcessError:
                outcomes[pair] = "failed: its packages cannot be installed"
                continue
            env = {**os.environ, "PYTHONPATH": str(PACKAGE / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
            command = [program, "-m", "pytest", "-q", "-p", "no:cacheprovider", PACKAGE / "tests"]
            done = subprocess.run(command, env=env, cwd=PACKAGE, check=False)
            outcomes[pair] = "passed" if done.returncode == 0 else "failed"
    print()
    for pair, outcome in outcomes.items():
        print(f"{pair}: {outcome}")
    return any(outcome.startswith("failed") for outcome in outcomes.values())


if __name__ == "__main__":
    sys.exit(main())
