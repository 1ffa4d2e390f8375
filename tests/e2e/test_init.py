"""`manage.py channelgate init`: what it writes for a project shows clients the same on a node as Daphne does."""

import asyncio
import dataclasses
import os
import subprocess
import tomllib

import further
import idioms  # noqa: F401  (registers the scenarios)
import pytest
import stack
from rig.idioms import document
from rig.idioms.sides import Sides, environment
from rig.idioms.stage import play

#: A task, a timer or a loop of the connection: init leaves these with Daphne.
STAY = {5, 25, 26, 27}
AT_ONCE = 8


def unmoved(section: document.Section) -> document.Section:
    """The section as a project has it before it moves: without the Python that its configuration needs."""
    first = next(index for index, (kind, _) in enumerate(section.blocks) if kind == "python")
    kept = [one for index, one in enumerate(section.blocks) if one[0] != "python" or index == first]
    return dataclasses.replace(section, blocks=tuple(kept))


IDIOMS = [unmoved(section) for section in document.read()]
SECTIONS = [*IDIOMS, *further.sections()]
MOVED = [section for section in SECTIONS if section.number not in STAY]


def init(sides: Sides) -> str:
    """What init writes for the project."""
    env = {**os.environ, **environment(sides.seed, sides.project, "redis://127.0.0.1:1/0", BRIDGE="1", LAYER="core")}
    env["CHANNELGATE_BIN"] = str(stack.binary())
    file = sides.directory / "channelgate.toml"
    argv = [stack.PYTHON, "-m", "django", "channelgate", "init", "--config", file]
    done = subprocess.run(argv, env=env, cwd=sides.seed, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "channelgate check accepts the file." in done.stdout
    return file.read_text()


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    sides = Sides(tmp_path_factory.mktemp("init"), SECTIONS, init)
    try:
        yield sides.wait()
    finally:
        sides.stop()


@pytest.fixture(scope="module")
def seen(sides, request):
    """What was seen on both sides, or an exception, by section: of those that are to be tested."""
    items = [item for item in request.session.items if item.path == request.path and "section" in item.fixturenames]
    chosen = [item.callspec.params["section"] for item in items]
    turns = asyncio.Semaphore(AT_ONCE)

    async def both(section: document.Section):
        async with turns:
            runs = [play(section, side, sides) for side in (sides.daphne, sides.node)]
            return await asyncio.gather(*runs, return_exceptions=True)

    async def everything():
        return await asyncio.gather(*map(both, chosen))

    return dict(zip((section.number for section in chosen), asyncio.run(everything()), strict=True))


@pytest.mark.parametrize("section", MOVED, ids=str)
def test_what_init_writes_shows_clients_the_same(seen, section):
    for outcome in seen[section.number]:
        if isinstance(outcome, BaseException):
            raise outcome
    daphne, node = seen[section.number]
    assert node == daphne


def test_every_idiom_is_served_or_stays_with_its_reason(sides):
    written = (sides.directory / "channelgate.toml").read_text()
    paths = {one["path"] for one in tomllib.loads(written)["consumer"]}
    for section in IDIOMS:
        for path in section.paths:
            assert (path in paths) == (section.number not in STAY), path
            if section.number in STAY:
                assert f"# {path[1:]} stays with Daphne: " in written
