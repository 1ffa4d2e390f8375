"""Runs `channelgate check` on a text: whether it is accepted, and the errors otherwise."""

import dataclasses
import os
import subprocess
from pathlib import Path

import stack

#: The possible sources of a configuration; a test sets all of them itself.
_OURS = ("CHANNELGATE", "REDIS_URL", "DJANGO_SECRET_KEY", "RUST_LOG")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The result of a command of the program."""

    code: int
    output: str
    errors: str

    @property
    def lines(self) -> list[str]:
        return self.errors.splitlines()

    def names(self, key: str) -> list[str]:
        """The errors that name this key."""
        return [line for line in self.lines if f": {key}: " in line or f": {key}[" in line]


def run(
    directory: Path, text: str, *words: str, command: str = "check", file: str | None = "channelgate.toml", **env: str
) -> Verdict:
    """Runs a command with this configuration and only these variables."""
    (directory / "channelgate.toml").write_text(text)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    done = subprocess.run(
        [stack.binary(), command, *(["--config", file] if file else []), *words],
        cwd=directory,
        env={**inherited, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Verdict(done.returncode, done.stdout, done.stderr)


def refused(directory: Path, text: str, key: str, line: int | None = None, **env: str) -> str:
    """The errors that name the key, after its configuration was refused at this line or for a variable."""
    verdict = run(directory, text, **env)
    assert verdict.code == 2, f"taken: {verdict.output}{verdict.errors}"
    found = verdict.names(key)
    assert found, f"no error names {key}: {verdict.errors}"
    place = f"channelgate.toml:{line}: " if line else "environment variable "
    assert any(one.startswith(place) for one in found), found
    return "\n".join(found)
