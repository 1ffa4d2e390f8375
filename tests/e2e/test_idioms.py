"""docs/django/idioms.md: each consumer under Daphne, and its configuration on a node, show their clients the same."""

import asyncio
import itertools
from pathlib import Path

import idioms  # noqa: F401  (registers the scenarios)
import pytest
from rig.check import Verdict, run
from rig.client import DEADLINE
from rig.idioms import document
from rig.idioms.sides import Side, Sides
from rig.idioms.stage import SCENARIOS, Stage, play

SECTIONS = document.read()
#: Scenarios that run at the same time: each has people of its own, and most of them wait.
AT_ONCE = 8
#: How long a client of a broken configuration waits for what does not come.
PATIENCE = 5.0


def check(directory: Path, text: str) -> Verdict:
    env = {"CHANNELGATE_BACKEND_URL": "http://127.0.0.1:8001/channelgate", "CHANNELGATE_BACKEND_SECRET": "a secret"}
    return run(directory, text, DJANGO_SECRET_KEY="a key", REDIS_URL="redis://127.0.0.1:6379/0", **env)


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    sides = Sides(tmp_path_factory.mktemp("idioms"), SECTIONS)
    try:
        yield sides.wait()
    finally:
        sides.stop()


@pytest.fixture(scope="module")
def seen(sides, request):
    """What was seen under Daphne and on the node, or an exception, by section: of those that are to be tested."""
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


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_an_idiom_shows_its_clients_the_same_on_a_node(seen, section):
    for outcome in seen[section.number]:
        if isinstance(outcome, BaseException):
            raise outcome
    daphne, node = seen[section.number]
    assert node == daphne


async def test_what_differs_in_all_of_them(sides):
    """As the table at the beginning says; the orders and the actions of the document show it."""
    orders, actions = SECTIONS[0], SECTIONS[7]
    cases = [
        (orders, {"type": "order_status", "status": "without data"}),
        (orders, {"type": "order_vanished"}),
        (actions, "no JSON"),
        (actions, {"action": "mark_read"}),
        (actions, {"action": "mark_read", "id": "no number"}),
    ]

    async def case(number: int, section: document.Section, what, side: Side, ends: bool) -> None:
        stage = Stage(section, side, sides)
        client = await stage.open(f"7{number}/" if section is orders else "", "anna")
        if section is orders:
            await stage.publish(f"order_7{number}", **what)
            await stage.publish(f"order_7{number}", type="order_status", status="well", data=None)
        else:
            await client.send(what)
            await client.send({"action": "ping"})
        if ends:
            assert (await client.gone())[0] == 1011, what
        else:
            await client.count(1)
        assert len(client.frames) == (not ends) and (client.closed is None) == (not ends), what
        await stage.close()

    # Daphne looks once a second for consumers that have raised.
    outcomes = ((sides.daphne, True), (sides.node, False))
    await asyncio.gather(*(case(n, *one, *outcome) for n, one in enumerate(cases) for outcome in outcomes))


async def unnoticed(
    sides, seen, name: str, changed: dict[int, str], at_once: int = len(SECTIONS), patience: float = PATIENCE
) -> list[str]:
    """The sections of which nothing else is seen with a changed configuration."""
    sections = [section for section in SECTIONS if section.number in changed]
    side = sides.bridged(name, document.configuration(SECTIONS, changed))
    side.system.wait()

    turns = asyncio.Semaphore(at_once)

    async def is_same(section: document.Section) -> bool:
        async with turns:
            try:
                if section.number not in seen:
                    seen[section.number] = (await play(section, sides.daphne, sides), None)
                return await play(section, side, sides, patience) == seen[section.number][0]
            except Exception:
                return False

    same = await asyncio.gather(*map(is_same, sections))
    side.system.stop()
    return [str(section) for section, is_same in zip(sections, same, strict=True) if is_same]


async def test_each_idiom_needs_its_configuration(sides, seen):
    changed = {}
    for section in SECTIONS:
        old, new = SCENARIOS[section.number].breaks
        assert old in section.toml, f"{section}: {old}"
        changed[section.number] = section.toml.replace(old, new)
    assert await unnoticed(sides, seen, "broken", changed) == []


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_each_line_of_a_configuration_is_seen_by_its_scenario(sides, seen, tmp_path):
    """Every line is left out once, unless `check` notices it; a table with all its lines, too."""
    unchanged = {section.number: section.toml for section in SECTIONS}
    # With nothing left out all is the same.
    same = await unnoticed(sides, seen, "whole", unchanged, AT_ONCE, DEADLINE)
    assert same == [str(section) for section in SECTIONS]
    shorter = {
        section.number: [
            (line, text)
            for line, text in document.shorter(section.toml)
            if line not in document.UNSEEN and check(tmp_path, text).code == 0
        ]
        for section in SECTIONS
    }
    missed = []
    for turn in itertools.count():
        changed = {number: found[turn] for number, found in shorter.items() if turn < len(found)}
        if not changed:
            break
        texts = {number: text for number, (_, text) in changed.items()}
        for name in await unnoticed(sides, seen, f"shorter{turn}", texts, AT_ONCE):
            missed.append((name, changed[int(name.partition("-")[0])][0]))
    assert not missed


def test_the_document_is_complete_and_check_has_nothing_to_say(tmp_path):
    numbers = [section.number for section in SECTIONS]
    assert numbers == list(range(1, len(SECTIONS) + 1))
    # Other consumers have scenarios, too: those of `further`.
    assert {number for number, one in SCENARIOS.items() if one.play.__module__.startswith("idioms.")} == set(numbers)
    for section in SECTIONS:
        assert section.of("python") and section.of("toml"), f"{section.title} has not both"
        assert {kind for kind, _ in section.blocks} <= {"python", "toml", "html"}, section.title
        assert all(path.startswith(f"/ws/{section.slug}/") for path in section.paths), section.paths
    assert len({section.slug for section in SECTIONS}) == len(SECTIONS)
    assert sorted(document.contents()) == sorted((section.title, document.anchor(section)) for section in SECTIONS)
    verdict = check(tmp_path, document.configuration(SECTIONS))
    assert verdict.code == 0, verdict.errors
    assert not verdict.errors and "warn" not in verdict.output.lower(), verdict
