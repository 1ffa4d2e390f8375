"""What scripts/setup.sh may install for each need, held by stand-ins for whatever installs; and what is built."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import stack

#: What the script itself uses, and what a bare machine has.
TOOLS = ("bash", "sh", "cat", "cut", "dirname", "env", "grep", "head", "mkdir", "mktemp", "sed", "sha256sum", "tail")
COMPILER = {"gcc", "libc6-dev", "make", "binutils"}
SYSTEM = {"redis-server", "nginx", "python3.11-venv"}
TESTS = {"iproute2", "prometheus", "systemd", "chromium", "fonts-dejavu-core"}
#: Writes down how it was called. Python without its venv module, but able to make one: apt is a stand-in, too.
RECORD = """#!/bin/sh
echo "${0##*/} $*" >> "$RECORD"
case "${0##*/} $*" in
    "id -u") echo 0 ;;
    python3.11*ensurepip*) exit 1 ;;
    python3.11*python%d*) echo python3.11-venv ;;
    "python3.11 -m venv"*) mkdir -p .venv/bin; cat "$0" > .venv/bin/python; chmod +x .venv/bin/python ;;
    "cargo fmt"*|"cargo clippy"*) exit 1 ;;
    "npm ci"*) mkdir -p "$3/node_modules" ;;
esac
"""
INSTALLERS = ("apt-get", "npm", "pip", "rustup", "cargo", "python3.11", "python")


@pytest.fixture
def machine(tmp_path):
    """A machine with Rust, Node and Python, and nothing else; gives what `setup.sh` did on it, line by line."""
    shutil.copytree(stack.ROOT / "scripts", tmp_path / "scripts")
    for pattern in ("constraints.txt", "*/requirements.txt", "e2e/emitters.txt", "*/package-lock.json"):
        for file in (stack.ROOT / "tests").glob(pattern):
            copy = tmp_path / file.relative_to(stack.ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    programs, record = tmp_path / "bin", tmp_path / "record"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(shutil.which(tool))
    # `chmod` is needed by a stand-in, and a stand-in for the rest: the machine that tests stays as it is.
    real = shutil.which("chmod")
    for name in (*INSTALLERS, "id", "rm", "tee"):
        file = programs / name
        file.write_text(RECORD.replace("chmod", real))
        file.chmod(0o755)
    (programs / "chmod").write_text(RECORD)
    (programs / "chmod").chmod(0o755)

    def setup(need: str) -> list[str]:
        # Only what lies in that folder is there; not the script's further folders for programs of root.
        script = tmp_path / "scripts" / "setup.sh"
        script.write_text(script.read_text().replace(":/usr/sbin:/sbin", ""))
        env = {"PATH": str(programs), "RECORD": str(record), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
        done = subprocess.run([script, need], env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return record.read_text().splitlines()

    return setup


def packages(lines: list[str]) -> set[str]:
    """Of the distribution."""
    installs = [line.split() for line in lines if line.startswith("apt-get install")]
    return {word for words in installs for word in words[2:] if not word.startswith("-")}


def others(lines: list[str]) -> list[str]:
    """What was installed by anything but the distribution's own tool."""
    wanted = ("npm ", "pip ", "rustup ", "cargo install", "python -m pip", "python3.11 -m venv")
    return [line for line in lines if line.startswith(wanted)]


def test_to_run_a_node_a_compiler_is_installed_and_nothing_else(machine):
    lines = machine("run")
    assert packages(lines) == COMPILER
    assert others(lines) == []


def test_a_whole_system_needs_no_browser_no_prometheus_and_no_node(machine):
    lines = machine("up")
    assert packages(lines) == COMPILER | SYSTEM
    venv, requirements = others(lines)
    assert venv.startswith("python3.11 -m venv")
    assert requirements.endswith("--requirement tests/django/requirements.txt")


def test_the_tests_need_all_of_it(machine):
    lines = machine("test")
    assert packages(lines) == COMPILER | SYSTEM | TESTS
    assert {line.split()[0] for line in others(lines)} == {"python3.11", "python", "rustup", "npm"}


@pytest.mark.parametrize(("target", "need"), [("run", "run"), ("up", "up"), ("bench", "up")])
def test_each_command_asks_for_what_it_needs(target, need):
    said = subprocess.run(
        ["make", "--dry-run", target],
        cwd=stack.ROOT,
        env={**os.environ, "MAKEFLAGS": ""},
        capture_output=True,
        text=True,
    )
    asked = [line.split()[-1] for line in said.stdout.splitlines() if "setup.sh" in line and "benches" not in line]
    assert said.returncode == 0 and set(asked) <= {"run", need} and need in asked


def test_one_binary_is_started_and_measured():
    """`make run`, `make up` and the benchmarks build with one script and start what it built."""
    for target in ("run", "up"):
        said = subprocess.run(["make", "--dry-run", target], cwd=stack.ROOT, capture_output=True, text=True, check=True)
        assert "scripts/build.sh" in said.stdout and "target/release/channelgate" in said.stdout
    assert "scripts/build.sh" in Path(stack.ROOT / "benches" / "setup.sh").read_text()


def sections(program: Path) -> str:
    return subprocess.run(["readelf", "-SW", program], capture_output=True, text=True, check=True).stdout


def test_debug_information_lies_in_a_file_beside_the_program(tmp_path):
    node = tmp_path / "release" / "channelgate"
    cargo = tmp_path / "cargo"
    cargo.write_text(f"#!/bin/sh\nmkdir -p {node.parent} && echo 'int main() {{}}' | cc -g -x c - -o {node}\n")
    cargo.chmod(0o755)
    env = {**os.environ, "CARGO": str(cargo), "CARGO_TARGET_DIR": str(tmp_path)}
    for said in ("minutes", ""):
        done = subprocess.run(
            [stack.ROOT / "scripts" / "build.sh"], env=env, capture_output=True, text=True, check=True, timeout=60
        )
        assert said in done.stdout and bool(said) == bool(done.stdout), "how long it takes is said the first time"
        assert ".debug_line" not in sections(node) and ".gnu_debuglink" in sections(node)
        assert ".debug_line" in sections(node.with_name("channelgate.debug"))
        subprocess.run([node], check=True)
