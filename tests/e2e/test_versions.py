"""What works together when a node and the Python package are of two releases: docs/operations/versions.md."""

import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import stack
from rig import project
from rig.client import Client, refusal, until
from rig.log import whole_log
from rig.packed import previous
from rig.system import LAYERS, QUICK_DRAIN

PAGE = (stack.ROOT / "docs" / "operations" / "versions.md").read_text()
CONFIG = """
[[consumer]]
path = "/ws/<str:room>/<str:who>/"
django = true
"""
#: Where each side says which version of the bridge it speaks.
PACKAGE_SPEAKS = Path("channelgate") / "bridge" / "request.py"
NODE_SPEAKS = stack.ROOT / "src" / "backend" / "bridge" / "request.rs"


def number(pattern: str, file: Path) -> int:
    return int(re.search(pattern, file.read_text(), re.M)[1])


class Site:
    """The node that is tested, and a project under uvicorn with a Python package of another release."""

    def __init__(self, directory: Path, package: Path, projects: Path = project.PROJECTS):
        self.directory = directory
        self.redis = stack.redis(directory, stack.free_port()).start().wait()
        self.redis_url = f"redis://{stack.LOOPBACK}:{self.redis.port}/0"
        env = project.environment("faults", directory, self.redis_url, projects)
        env["PYTHONPATH"] = f"{projects}:{package}"
        project.migrate(directory, env)
        self.port = stack.free_port()
        self.django = stack.Part(
            "django",
            [stack.PYTHON, "-m", "uvicorn", "faults.asgi:application", "--port", str(self.port), "--no-access-log"],
            directory,
            lambda: stack.http_status(self.port, "/") == 404,
            env,
        ).start()
        node = {
            "REDIS_URL": self.redis_url,
            "CHANNELGATE_BACKEND_URL": f"http://{stack.LOOPBACK}:{self.port}/channelgate",
            "CHANNELGATE_BACKEND_SECRET": stack.BACKEND_SECRET,
            **QUICK_DRAIN,
        }
        config = directory / "channelgate.toml"
        config.write_text(CONFIG)
        self.node = stack.node(directory, stack.free_port(), node, config=config).start()
        where = [stack.PYTHON, "-c", "import channelgate; print(channelgate.__file__)"]
        found = subprocess.run(where, env=self.django.env, cwd=directory, capture_output=True, text=True, check=True)
        assert Path(found.stdout.strip()).is_relative_to(package), "the package of the other release is the one in use"
        for part in (self.django, self.node):
            part.wait()

    def ended(self) -> list[tuple[str, int]]:
        """Whose `disconnect()` has run, with which code."""
        database = sqlite3.connect(self.directory / "faults.sqlite3", timeout=20)
        try:
            return database.execute("SELECT who, code FROM faults_row WHERE what = 'disconnect'").fetchall()
        finally:
            database.close()

    def stop(self) -> None:
        for part in (self.node, self.django, self.redis):
            part.stop(grace=3)


async def test_a_node_works_with_the_python_package_of_the_commit_before(tmp_path):
    earlier = previous(tmp_path / "earlier", "clients/django/src", "tests/django/faults")
    package = earlier / "clients" / "django" / "src"
    # A commit that changes the version changes docs/operations/versions.md and this test.
    spoken = number(r"^VERSION = (\d+)$", package / PACKAGE_SPEAKS)
    assert spoken == number(r'CALL: &\[u8\] = br#"{"v":(\d+),', NODE_SPEAKS)
    site = Site(tmp_path, package, earlier / "tests" / "django")
    try:
        anna, ben = [await Client.open(site.node.port, f"/ws/room/{who}/") for who in ("anna", "ben")]
        for n in (1, 2):
            await anna.send({"do": "echo", "n": n})
        assert await anna.count(2) == [{"echo": 1, "count": 1}, {"echo": 2, "count": 2}], "its state was kept"
        await anna.send({"do": "tell", "n": 3})
        assert await ben.count(1) == [{"told": 3}]
        layer = LAYERS["core"].publisher(site.redis_url)
        try:
            await layer.group_send("room", {"type": "told", "n": 4})
        finally:
            await layer.close_pools()
        assert (await anna.count(4))[2:] == (await ben.count(2)) == [{"told": 3}, {"told": 4}]
        await anna.close()
        await until(lambda: site.ended() == [("anna", 1000)], "disconnect()")
        await ben.send({"do": "fail"})
        assert (await ben.gone())[0] == 1011
    finally:
        site.stop()


async def test_another_version_of_the_bridge_is_refused_in_the_words_of_the_manual(tmp_path):
    package = tmp_path / "other"
    shutil.copytree(stack.ROOT / "clients" / "django" / "src", package, ignore=shutil.ignore_patterns("__pycache__"))
    speaks = package / PACKAGE_SPEAKS
    speaks.write_text(speaks.read_text().replace("\nVERSION = 1\n", "\nVERSION = 2\n"))
    [words] = re.findall(r"\*(this package speaks version 1 of the bridge, .*?)\*", PAGE)
    expected = words.replace("version 1", "version 2", 1).replace("…", "1")
    site = Site(tmp_path, package)
    try:
        assert await refusal(site.node.port, "/ws/room/anna/") == 500
        assert expected in whole_log(site.node)
    finally:
        site.stop()


def test_the_versions_are_those_of_the_manual():
    src = stack.ROOT / "src"
    package = stack.ROOT / "clients" / "django" / "src" / "channelgate"
    says = {
        '`"v": 1`': {NODE_SPEAKS: 'br#"{"v":1,"#', package / "bridge" / "request.py": "\nVERSION = 1\n"},
        "begins with `cg1`": {
            src / "auth" / "signed_group.rs": 'VERSION: &str = "cg1"',
            package / "signed.py": 'VERSION = "cg1"',
        },
        "`state.1` in what is signed": {
            package / "bridge" / "state" / "sealing.py": 'PURPOSE = b"channelgate.bridge.state.1"'
        },
    }
    for words, files in says.items():
        assert words in PAGE
        for file, text in files.items():
            assert text in file.read_text(), f"docs/operations/versions.md says {words}, {file} says something else"
