#!/usr/bin/env python3
"""Packs what is published, into dist/. `make wheel` and `make release` call it.

    scripts/dist.py wheel      the wheel: the Python package and the node's program
    scripts/dist.py release    the source distribution, the wheel that was built from it, its SBOM, and SHA256SUMS

The program is linked by zig with an old glibc, and stripped. Ends with an error if the wheel is incomplete, or needs a
newer system than it says.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "clients" / "django" / "src"
#: The oldest glibc with which the program runs: that of CentOS 7, and the oldest that Rust supports.
COMPATIBILITY = "manylinux_2_17"
RELEASE = ["--release", "--zig", "--compatibility", COMPATIBILITY]


class Unfit(Exception):
    """The wheel must not be published; the text says why."""


def version() -> str:
    """The version of the release."""
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]


def maturin(*words: str | Path) -> None:
    """Runs maturin of this environment in the root of the repository."""
    # maturin looks for zig in the Python that this names.
    env = {"CARGO_TARGET_DIR": str(ROOT / "target"), "CARGO_ZIGBUILD_PYTHON_PATH": sys.executable, **os.environ}
    subprocess.run([sys.executable, "-m", "maturin", *map(str, words)], cwd=ROOT, env=env, check=True)


def pack(folder: Path, options: Sequence[str]) -> Path:
    """Builds a wheel into an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    maturin("build", *options, "--out", folder)
    [wheel] = folder.glob("*.whl")
    return wheel


def python_files() -> set[str]:
    """The files of the Python package, as a wheel names them."""
    files = (path for path in SOURCES.rglob("*") if path.is_file())
    return {path.relative_to(SOURCES).as_posix() for path in files if "__pycache__" not in path.parts}


def program(wheel: Path) -> bytes:
    """The node's program."""
    with zipfile.ZipFile(wheel) as content:
        return content.read(f"channelgate-{version()}.data/scripts/channelgate")


def sbom(wheel: Path) -> bytes:
    """The software bill of materials: every crate in the program (CycloneDX; PEP 770)."""
    with zipfile.ZipFile(wheel) as content:
        return content.read(f"channelgate-{version()}.dist-info/sboms/channelgate.cyclonedx.json")


def audit(wheel: Path) -> dict:
    """What the program needs of a system, by auditwheel."""
    command = [sys.executable, "-m", "auditwheel", "show", "--json", wheel]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def check(wheel: Path, compatibility: str | None = COMPATIBILITY) -> None:
    """Raises `Unfit` for a wheel that is incomplete, or that needs a newer system than `compatibility`."""
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
    expected = python_files() | {f"channelgate-{version()}.data/scripts/channelgate"}
    if missing := expected - names:
        raise Unfit(f"{wheel.name} lacks {', '.join(sorted(missing))}")
    if others := {name for name in names - expected if not name.startswith(f"channelgate-{version()}.dist-info/")}:
        raise Unfit(f"{wheel.name} also has {', '.join(sorted(others))}")
    if not json.loads(sbom(wheel))["components"]:
        raise Unfit(f"{wheel.name}: its SBOM names no component")
    needs = audit(wheel)
    if needs["external_libs"]:
        raise Unfit(f"{wheel.name} needs libraries of the system: {', '.join(needs['external_libs'])}")
    tag = needs["overall_tag"]
    if compatibility is not None and not tag.startswith(f"{compatibility}_"):
        raise Unfit(f"{wheel.name} runs on {tag} or newer only, not on every {compatibility}")


def checksums(folder: Path) -> Path:
    """Writes SHA256SUMS of all files of a folder, as `sha256sum --check` reads it."""
    sums = folder / "SHA256SUMS"
    sums.unlink(missing_ok=True)
    lines = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(folder.iterdir()))
    sums.write_text("".join(lines))
    return sums


def main(words: Sequence[str]) -> str | None:
    folder = ROOT / "dist"
    match words:
        case ["wheel"]:
            wheel = pack(folder, RELEASE)
        case ["release"]:
            # The wheel is built from the source distribution, which shows that nothing is missing in that.
            wheel = pack(folder, [*RELEASE, "--sdist"])
        case _:
            return __doc__
    try:
        check(wheel)
    except Unfit as reason:
        return str(reason)
    if words == ["release"]:
        (folder / f"channelgate-{version()}.cyclonedx.json").write_bytes(sbom(wheel))
        checksums(folder)
    for file in sorted(folder.iterdir()):
        print(f"{file.stat().st_size / 1e6:8.1f} MB  {file.relative_to(ROOT)}")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
