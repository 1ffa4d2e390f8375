"""A wheel of the program that is tested, without a second build; empty environments to install it; earlier sources."""

import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Collection
from pathlib import Path

import dist
import pytest
import stack

#: The profiles of cargo by the folders of their builds.
PROFILES = {"debug": "dev", "release": "release"}
#: The packages that `make setup` has fetched.
WHEELS = stack.ROOT / ".venv" / "wheels"


def pack(folder: Path) -> Path:
    """Packs the program that is tested. cargo finds it built already, and is asked for nothing from outside."""
    binary = stack.binary()
    built = binary.parent
    if built.name not in PROFILES or not (built / "deps").is_dir():
        pytest.skip(f"{binary} is not in a folder in which cargo builds: there is nothing to pack")
    options = ["--profile", PROFILES[built.name], "--compatibility", "linux", "--strip", "false"]
    # maturin takes the program out of its folder for a moment, and other tests start it meanwhile: it gets links.
    target = Path(tempfile.mkdtemp(prefix="packed-", dir=built.parent))
    (target / built.name).mkdir()
    parts = [built / part for part in ("build", "deps", ".fingerprint", binary.name)]
    subprocess.run(["cp", "-al", *parts, target / built.name], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARGO_TARGET_DIR", str(target))
        patch.setenv("CARGO_NET_OFFLINE", "true")
        # Compressing a program with its debug information takes longer than all the rest.
        try:
            return dist.pack(folder, [*options, "--compression-method", "stored"])
        finally:
            shutil.rmtree(target)


def previous(folder: Path, *paths: str) -> Path:
    """These folders as the commit before has them."""
    git = ["git", "-C", str(stack.ROOT)]
    known = subprocess.run([*git, "rev-parse", "--verify", "--quiet", "HEAD~1"], capture_output=True, check=False)
    if known.returncode:
        pytest.skip("this checkout has no commit before its last one (a shallow clone, or no repository)")
    archive = subprocess.run([*git, "archive", "HEAD~1", *paths], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as content:
        content.extractall(folder, filter="data")
    return folder


class Environment:
    """A virtual environment that begins empty; packages come from wheels of this machine only."""

    def __init__(self, folder: Path, *links: Path):
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.bin = folder / "bin"
        # A copy of pip would take some seconds: that of the tests works on this environment.
        pip = self.bin / "pip"
        pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip --python {self.bin}/python "$@"\n')
        pip.chmod(0o755)
        #: Of the tests' own environment nothing is left, not even the program that they test.
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CHANNELGATE", "PIP_"))
        }
        self.env = {
            **kept,
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "VIRTUAL_ENV": str(folder),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": " ".join(link.as_uri() for link in (WHEELS, *links)),
            "PIP_NO_COMPILE": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def link(self, but: Collection[str]) -> None:
        """Packages that somebody has installed before: all those of the tests but these."""
        theirs = Path(sysconfig.get_path("purelib"))
        ours = Path(sysconfig.get_path("purelib", vars={"base": str(self.folder)}))
        for entry in theirs.iterdir():
            if entry.suffix != ".pth" and not entry.name.strip("_").startswith((*but, "pip")):
                (ours / entry.name).symlink_to(entry)

    def run(
        self, *words: str | Path, check: bool = True, cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess:
        """A program of the environment, or of the system."""
        program = shutil.which(str(words[0]), path=self.env["PATH"])
        assert program is not None, f"{words[0]} is not on the PATH"
        done = subprocess.run(
            [program, *map(str, words[1:])],
            env={**self.env, **env},
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done
