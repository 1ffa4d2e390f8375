"""`pip install channelgate`: what the wheel has, and what works in an environment that has nothing else."""

import json
import shutil
import signal
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import dist
import pytest
import stack
from rig.packed import Environment, pack
from rig.system import QUICK_DRAIN

#: Commands of the program and of Django, and what they print.
VERSION = f"channelgate {dist.version()}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the program that is tested."""
    return pack(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment after `pip install channelgate`, and a project of `django-admin startproject` in it."""
    environment = Environment(tmp_path_factory.mktemp("installed") / "venv", wheel.parent)
    environment.run("pip", "install", "channelgate")
    environment.run("django-admin", "startproject", "shop", environment.folder)
    settings = environment.folder / "shop" / "settings.py"
    settings.write_text(settings.read_text() + 'INSTALLED_APPS += ["channelgate"]\n')
    return environment


def test_the_wheel_has_the_program_and_every_python_file(wheel):
    dist.check(wheel, compatibility=None)
    assert dist.program(wheel) == stack.binary().read_bytes(), "the program that was built before, not another build"
    with zipfile.ZipFile(wheel) as content:
        metadata = content.read(f"channelgate-{dist.version()}.dist-info/METADATA").decode()
    lines = metadata.casefold().splitlines()
    assert {"requires-dist: django>=4.2", "provides-extra: shadow", "requires-python: >=3.10"} <= set(lines)


def test_an_incomplete_wheel_is_not_published(wheel, tmp_path):
    for lost in ("channelgate/bridge/run.py", f"channelgate-{dist.version()}.data/scripts/channelgate"):
        other = tmp_path / wheel.name
        with zipfile.ZipFile(wheel) as content, zipfile.ZipFile(other, "w") as copy:
            for name in content.namelist():
                if name != lost:
                    copy.writestr(name, content.read(name) if name.endswith((".py", ".json")) else b"")
        with pytest.raises(dist.Unfit, match=f"lacks {lost}"):
            dist.check(other)


def test_a_wheel_that_needs_a_newer_system_than_it_says_is_not_published(wheel):
    needs = dist.audit(wheel)
    assert needs["external_libs"] == {}
    # Linked with this machine's glibc, unlike the wheel of a release.
    with pytest.raises(dist.Unfit, match=f"runs on {needs['overall_tag']} or newer only, not on every manylinux_2_17"):
        dist.check(wheel)


def test_the_sbom_names_every_crate_of_the_program(wheel):
    bom = json.loads(dist.sbom(wheel))
    assert bom["bomFormat"] == "CycloneDX"
    named = {(part["name"], part["version"]) for part in bom["components"]}
    lock = tomllib.loads((stack.ROOT / "Cargo.lock").read_text())
    locked = {(package["name"], package["version"]) for package in lock["package"]}
    assert named <= locked
    for crate in ("actix-web", "tikv-jemallocator", "rustls", "redis"):
        assert crate in {name for name, _ in named}
    assert "proptest" not in {name for name, _ in named}, "what only tests use is not in the program"


def test_the_program_is_there_by_every_name(installed):
    for words in (["channelgate"], ["python", "-m", "channelgate"]):
        assert installed.run(*words, "--version").stdout.strip() == VERSION
        # The status is the program's own.
        assert installed.run(*words, "no-such-command", check=False).returncode == 2
    said = installed.run("python", "manage.py", "channelgate", "--help").stdout
    assert "usage: manage.py channelgate" in said
    assert installed.run("pip", "check").stdout.strip() == "No broken requirements found."


def test_a_node_runs_in_the_place_of_python(installed):
    port = stack.free_port()
    node = stack.Part(
        "node",
        # The program of the wheel, not the one that the tests name.
        ["env", "-u", "CHANNELGATE_BIN", installed.bin / "python", "-m", "channelgate", "serve"],
        installed.folder,
        lambda: stack.http_status(port, "/health/ready") == 200,
        {**QUICK_DRAIN, "CHANNELGATE_LISTEN": f"{stack.LOOPBACK}:{port}"},
        port,
    )
    node.start().wait()
    try:
        program = Path(f"/proc/{node.pid}/exe").readlink()
        assert program == (installed.bin / "channelgate").resolve(), "no Python is left in between"
        node.signal(signal.SIGTERM)
        assert node.join(20) == 0, "the signal reaches the node, which drains"
    finally:
        node.stop()


@pytest.mark.parametrize("how", ["user", "target"])
def test_the_program_is_found_where_pip_puts_it(tmp_path, how):
    """`pip install --user`, and `--target`, as for an archive that is copied to servers."""
    packages, programs = tmp_path / "lib", tmp_path / ("home/bin" if how == "user" else "lib/bin")
    packages.mkdir()
    programs.mkdir(parents=True)
    shutil.copytree(dist.SOURCES / "channelgate", packages / "channelgate")
    (programs / "channelgate").symlink_to(stack.binary())
    env = {"PYTHONPATH": str(packages), "PATH": "/usr/bin:/bin", "PYTHONUSERBASE": str(tmp_path / "home")}
    command = [stack.PYTHON, "-m", "channelgate", "--version"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == VERSION


def test_without_the_program_it_is_said_what_to_do(tmp_path):
    # As on a system without a wheel: the Python sources alone.
    env = {"PYTHONPATH": str(dist.SOURCES), "PATH": "/usr/bin:/bin", "PYTHONUSERBASE": str(tmp_path)}
    done = subprocess.run(
        [stack.PYTHON, "-m", "channelgate"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "container or in WSL, or keep Daphne in development" in done.stderr and "Traceback" not in done.stderr


def test_the_source_distribution_is_complete(tmp_path):
    dist.maturin("sdist", "--out", tmp_path)
    [archive] = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        names = {name.partition("/")[2] for name in content.getnames()}
        content.extractall(tmp_path, filter="data")
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src", "presets", "clients/django/src"],
        cwd=stack.ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert set(tracked) <= names
    assert {"Cargo.toml", "Cargo.lock", "pyproject.toml", "LICENSE", "PKG-INFO"} <= names
    # The documents, the tests and what tests install stay in the repository.
    assert {name.partition("/")[0] for name in names} <= {
        "Cargo.toml", "Cargo.lock", "pyproject.toml", "LICENSE", "PKG-INFO", "README.md", "src", "presets", "clients"
    }  # fmt: skip
    command = ["cargo", "metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"]
    folder = tmp_path / f"channelgate-{dist.version()}"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [package] = json.loads(done.stdout)["packages"]
    assert {kind for target in package["targets"] for kind in target["kind"]} == {"lib", "bin"}


def test_checksums_are_those_that_sha256sum_reads(tmp_path):
    for name in ("b.whl", "a.tar.gz"):
        (tmp_path / name).write_text(name)
    for _ in range(2):
        assert dist.checksums(tmp_path).name == "SHA256SUMS"
        assert len((tmp_path / "SHA256SUMS").read_text().splitlines()) == 2
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "b.whl").write_text("another")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_both_ways_to_install_it_say_the_same():
    """The package with the program, and the Python sources for development."""
    release, sources = (
        tomllib.loads((stack.ROOT / folder / "pyproject.toml").read_text())["project"]
        for folder in ("", "clients/django")
    )
    assert release.pop("dynamic") == ["version"] and sources.pop("version") == dist.version()
    assert release.pop("readme") == f"clients/django/{sources.pop('readme')}"
    assert release == sources, "change pyproject.toml and clients/django/pyproject.toml together"
