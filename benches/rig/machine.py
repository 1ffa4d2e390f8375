"""A result's description of the machine, without names of machines or persons."""

import os
import platform
import re
import subprocess
from pathlib import Path

from .paths import MANIFEST, RIVALS, ROOT, WORK, stack


def _run(*argv: str | Path) -> str:
    try:
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip()


def describe() -> dict[str, str]:
    """Cores, processor, system."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    release = Path("/etc/os-release").read_text()
    system = re.search(r"ID=debian", release) and re.search(r'VERSION_ID="?(\d+)', release)
    return {
        "cores": str(os.cpu_count()),
        "processor": model[1].strip() if model else platform.machine(),
        "system": f"Debian {system[1]}" if system else platform.system(),
        "kernel": platform.release().split("-")[0],
        "redis": _word(_run(stack.tool("redis-server"), "--version"), r"v=(\S+)"),
    }


def _word(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else "unknown"


def channelgate() -> str:
    """The measured commit."""
    dirty = "+" if _run("git", "-C", ROOT, "status", "--porcelain", "--", "src", "Cargo.toml", "Cargo.lock") else ""
    return _run("git", "-C", ROOT, "rev-parse", "--short", "HEAD") + dirty


def version(kind: str, name: str) -> str:
    """The installed version of a rival's package."""
    if kind == "pip":
        return _word(_run(WORK / "venv" / "bin" / "python", "-m", "pip", "show", name), r"Version: (\S+)")
    if kind == "npm":
        package = RIVALS / "node" / "node_modules" / name / "package.json"
        return _word(package.read_text() if package.exists() else "", r'"version": "([^"]+)"')
    if kind == "cargo":
        lock = MANIFEST.read_text() if MANIFEST.exists() else ""
        return _word(lock, rf'name = "{name}"\nversion = "([^"]+)"')
    if kind == "deb":
        return _word("\n".join(path.name for path in (WORK / "nchan").glob("*.deb")), r"_(?:\d+%3a)?([^_]+)_")
    if kind == "nginx":
        return _word(_run(stack.tool("nginx"), "-v"), r"nginx/(\S+)")
    return _run("node", "--version").removeprefix("v")
