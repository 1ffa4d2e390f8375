"""The commands of the Makefile: what each may install, what is built, and when `make test` fails.

Stand-ins replace every program that installs, builds or tests.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import stack

#: The programs that the script itself uses, and those of a bare machine.
TOOLS = (
    *("bash", "sh", "cat", "cut", "dirname", "env", "find", "grep", "head", "mkdir", "mktemp", "sed", "sha256sum"),
    *("sort", "tail", "touch", "xargs"),
)
COMPILER = {"gcc", "libc6-dev", "make", "binutils"}
SYSTEM = {"redis-server", "nginx", "python3.11-venv"}
TESTS = {"iproute2", "prometheus", "systemd", "chromium", "fonts-dejavu-core"}
#: Records its calls. Python without its venv module, but able to create one: apt is a stand-in, too.
RECORD = """#!/bin/sh
echo "${0##*/} $*" >> "$RECORD"
case "${0##*/} $*" in
    "id -u") echo 0 ;;
    python3.11*ensurepip*) exit 1 ;;
    python3.11*python%d*) echo python3.11-venv ;;
    "python3.11 -m venv"*) mkdir -p .venv/bin; cat "$0" > .venv/bin/python; chmod +x .venv/bin/python ;;
    "cargo fmt"*|"cargo clippy"*) exit 1 ;;
    "npm ci"*) mkdir -p "$3/node_modules" ;;
    "npm run build"*) mkdir -p demo/dist; touch demo/dist/index.html ;;
esac
"""
#: What the application of the demonstration is built from; of each folder one file.
SOURCES = (
    *("package.json", "package-lock.json", "tsconfig.base.json"),
    *("core/package.json", "react/package.json", "demo/package.json", "demo/src/main.tsx"),
)
INSTALLERS = ("apt-get", "node", "npm", "pip", "rustup", "cargo", "python3.11", "python")


@pytest.fixture
def script(tmp_path):
    """A machine with only Rust, Node and Python; runs a script on it."""
    shutil.copytree(stack.ROOT / "scripts", tmp_path / "scripts")
    # Only the programs in that folder exist; not the further folders for root's programs.
    setup = tmp_path / "scripts" / "setup.sh"
    setup.write_text(setup.read_text().replace(":/usr/sbin:/sbin", ""))
    patterns = ("constraints.txt", "*/requirements.txt", "e2e/emitters.txt", "wheel/*.txt", "*/package-lock.json")
    needed = [file for pattern in patterns for file in (stack.ROOT / "tests").glob(pattern)]
    clients = [stack.ROOT / "clients" / file for file in ("django/pyproject.toml", *SOURCES)]
    for file in [*needed, *clients]:
        copy = tmp_path / file.relative_to(stack.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(shutil.which(tool))
    # `chmod` is needed by a stand-in, and a stand-in for the rest: the test machine is not changed.
    real = shutil.which("chmod")
    for name in (*INSTALLERS, "id", "rm", "tee"):
        file = programs / name
        file.write_text(RECORD.replace("chmod", real))
        file.chmod(0o755)
    (programs / "chmod").write_text(RECORD)
    (programs / "chmod").chmod(0o755)

    record = tmp_path / "record"
    env = {"PATH": str(programs), "RECORD": str(record), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [tmp_path / "scripts" / name, *arguments]
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def machine(script, tmp_path):
    """The actions of `setup.sh` on that machine, line by line."""

    def setup(need: str) -> list[str]:
        done = script("setup.sh", need)
        assert done.returncode == 0, done.stderr
        return (tmp_path / "record").read_text().splitlines()

    return setup


def packages(lines: list[str]) -> set[str]:
    """Packages of the distribution."""
    installs = [line.split() for line in lines if line.startswith("apt-get install")]
    return {word for words in installs for word in words[2:] if not word.startswith("-")}


def others(lines: list[str]) -> list[str]:
    """Installations by anything but the distribution's own tool."""
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


def test_the_demonstration_also_needs_the_node_modules_of_its_pages(machine):
    lines = machine("demo")
    assert packages(lines) == COMPILER | SYSTEM
    venv, requirements, modules = others(lines)
    assert venv.startswith("python3.11 -m venv")
    assert requirements.endswith("--requirement tests/django/requirements.txt")
    assert modules.startswith("npm ci --prefix clients ")


NOT_BUILT = "The pages of the demonstration were not built; everything else works without them.\n"


@pytest.mark.parametrize("failing", ["node", "npm ci", "npm run build"])
def test_without_its_pages_a_whole_system_starts_and_the_demonstration_says_what_fails(script, tmp_path, failing):
    program, _, action = failing.partition(" ")
    file = tmp_path / "bin" / program
    # Node: another version. npm: without a network, for instance.
    fails = f'case "$*" in "{action}"*) echo "{failing} fails" >&2; exit 1 ;; esac'
    file.write_text(file.read_text().replace("\n", f"\n{fails}\n", 1))
    needed = "need Node 20.19, 22.12 or newer" if failing == "node" else f"{failing} fails"
    for name, argument in (("setup.sh", "demo"), ("app.sh", "")):
        done = script(name, argument)
        if done.returncode:
            break
    assert done.returncode == 1 and needed in done.stderr
    done = script("app.sh", "optional")
    assert done.returncode == 0 and done.stdout.endswith(NOT_BUILT) and needed in done.stderr


def test_the_pages_are_built_again_when_something_they_are_built_from_has_changed(script, tmp_path):
    def builds() -> int:
        done = script("app.sh")
        assert done.returncode == 0, done.stderr
        return (tmp_path / "record").read_text().count("npm run build")

    assert [builds(), builds()] == [1, 1]
    for number, name in enumerate(SOURCES, 2):
        with (tmp_path / "clients" / name).open("a") as file:
            file.write("\n")
        assert builds() == number, name


def test_to_pack_a_wheel_a_compiler_and_the_packages_for_it_are_installed(machine):
    lines = machine("wheel")
    assert packages(lines) == COMPILER | {"python3.11-venv"}
    venv, requirements = others(lines)
    assert venv.startswith("python3.11 -m venv")
    assert requirements.endswith("--requirement tests/wheel/release.txt")


def test_the_tests_need_everything(machine):
    lines = machine("test")
    assert packages(lines) == COMPILER | SYSTEM | TESTS
    assert {line.split()[0] for line in others(lines)} == {"python3.11", "python", "rustup", "npm"}


@pytest.mark.parametrize(
    ("target", "need"),
    [("run", "run"), ("up", "up"), ("demo", "demo"), ("bench", "up"), ("wheel", "wheel"), ("release", "wheel")],
)
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
    # What is missing is said before the build, which takes minutes.
    before = said.stdout.partition("scripts/build.sh")[0]
    assert f"scripts/setup.sh {need}" in before


def test_each_script_can_be_started():
    files = [file for file in (stack.ROOT / "scripts").iterdir() if file.suffix in (".py", ".sh")]
    scripts = [file for file in files if file.read_bytes().startswith(b"#!")]
    assert len(scripts) > 10 and all(os.access(file, os.X_OK) for file in scripts)


def test_the_same_binary_is_started_and_measured():
    """`make run`, `make up`, `make demo` and the benchmarks build with one script and start its result."""
    for target in ("run", "up", "demo"):
        said = subprocess.run(["make", "--dry-run", target], cwd=stack.ROOT, capture_output=True, text=True, check=True)
        assert "scripts/build.sh" in said.stdout and "target/release/channelgate" in said.stdout
    assert "scripts/build.sh" in Path(stack.ROOT / "benches" / "setup.sh").read_text()


def sections(program: Path) -> str:
    return subprocess.run(["readelf", "-SW", program], capture_output=True, text=True, check=True).stdout


def test_debug_information_is_in_a_file_beside_the_program(tmp_path):
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


CARGO = "test result: ok. 40 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.00s"
PYTEST = "================== 7 passed, 2 skipped in 60.10s (0:01:00) =================="
VITEST = " Test Files  1 failed | 3 passed (4)\n      Tests  1 failed | 20 passed | 2 skipped (23)\n   Duration  6.07s"
NODE = "\u2139 tests 3\n\u2139 pass 3\n\u2139 fail 0\n\u2139 skipped 0"


def run_kinds(directory: Path, outputs: dict[str, tuple[str, int]]) -> tuple[int, list[str]]:
    """`scripts/test.py` with a `make` that prints this and ends with this status, for each kind."""
    make = directory / "make"
    cases = []
    for kind, (text, code) in outputs.items():
        (directory / kind).write_text(f"{text}\n")
        cases.append(f"{kind}) cat {directory / kind}; exit {code} ;;\n")
    make.write_text(f'#!/bin/sh\ncase "$2" in\n{"".join(cases)}esac\n')
    make.chmod(0o755)
    done = subprocess.run(
        [stack.PYTHON, stack.ROOT / "scripts" / "test.py", *outputs],
        env={**os.environ, "MAKE": str(make)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def test_the_tests_end_with_one_line_per_kind_and_with_the_closing_lines_of_the_runners(tmp_path):
    two = f"{CARGO}\n{CARGO}"
    vitest = VITEST.replace("1 failed | ", "")
    outputs = {"unit": two, "lint": "lint: 9 passed, 0 failed", "clients": vitest, "browser": NODE}
    outputs["e2e"] = f"{PYTEST}\n{PYTEST}"
    code, lines = run_kinds(tmp_path, {kind: (text, 0) for kind, text in outputs.items()})
    table = [line.split() for line in lines[-7:-1]]
    assert code == 0 and lines[-1] == "126 passed, 0 failed"
    assert table[0] == ["kind", "passed", "failed", "skipped", "seconds"]
    assert [row[:4] for row in table[1:]] == [
        ["unit", "80", "0", "2"],
        ["lint", "9", "0", "0"],
        ["clients", "20", "0", "2"],
        ["browser", "3", "0", "0"],
        ["e2e", "14", "0", "4"],
    ]
    closing = "\n".join(lines).split("\n\n")[-2].splitlines()
    vitest = vitest.splitlines()[1].strip()
    assert closing == [CARGO, CARGO, "lint: 9 passed, 0 failed", vitest, *NODE.splitlines(), PYTEST, PYTEST]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("test hub::tests::leaves ... FAILED", "hub::tests::leaves"),
        ("FAILED tests/e2e/test_a.py::test_b[c d] - assert 2 == 1", "tests/e2e/test_a.py::test_b[c d]"),
        ("ERROR tests/e2e/test_a.py::test_b - OSError: gone", "tests/e2e/test_a.py::test_b"),
        (" FAIL   real19 (chromium)  a.test.tsx > says it > twice", "real19 (chromium)  a.test.tsx > says it > twice"),
        ("\x1b[31m\u2716 shows the page (12.5ms)\x1b[0m", "shows the page"),
    ],
)
def test_a_failed_test_is_named_at_the_end(tmp_path, line, name):
    text = f"{line}\n{line}\n{PYTEST.replace('2 skipped', '1 failed')}"
    code, lines = run_kinds(tmp_path, {"unit": (text, 1), "lint": ("lint: 9 passed, 0 failed", 0)})
    assert code == 1 and lines[-2] == f"unit: FAILED {name}" and lines.count(lines[-2]) == 1


@pytest.mark.parametrize(
    ("text", "code", "why"),
    [
        ("", 0, "no test ran"),
        (CARGO.replace("40 passed", "0 passed"), 0, "no test ran"),
        ("= no tests ran in 0.01s =", 5, "no test ran"),
        (CARGO, 1, "ended with 1"),
        (CARGO.replace("0 failed", "1 failed").replace("ok", "FAILED"), 0, "1 failed"),
        (PYTEST.replace("2 skipped", "1 error"), 0, "1 failed"),
        (NODE.replace("fail 0", "fail 2"), 0, "2 failed"),
        (VITEST, 0, "1 failed"),
        ("      Tests  3 passed (3)\n     Errors  2 errors", 0, "2 failed"),
        (" Test Files  no tests\n      Tests  no tests", 0, "no test ran"),
        (f"warning: unused variable: `x`\n{CARGO}", 0, "a warning"),
        (PYTEST.replace("2 skipped", "3 warnings"), 0, "a warning"),
    ],
)
def test_a_kind_fails_with_a_failure_a_warning_and_when_it_ran_nothing(tmp_path, text, code, why):
    code, lines = run_kinds(tmp_path, {"unit": (text, code), "lint": ("lint: 9 passed, 0 failed", 0)})
    assert code == 1 and any(line.startswith("unit: ") and why in line for line in lines)
    assert lines[-1].endswith((" 1 failed", " 2 failed")), "and the other kinds were run"
