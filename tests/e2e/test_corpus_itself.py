"""The comparison compares: a second Daphne does the same, a changed consumer is noticed, no consumer is left out."""

import pytest
from rig.corpus.routes import NATIVE, REFUSED
from rig.corpus.scenarios import SCENARIOS
from rig.corpus.stage import ORACLE_DEADLINE, Stage, difference, play, truth
from rig.corpus.target import consumers, make_database

pytestmark = pytest.mark.xdist_group("corpus-itself")

#: Of corpus/changed.py: script → the first part that shows it.
CHANGED = {
    "user: only joins; every event is its data": "frames",
    "typing: everybody but the sender": "frames",
    "private: two people, typing and read marks": "frames",
    "online: a flag in the profile, and events": "rows",
    "direct: to the channels in the table": "frames",
    "tutorial": "frames",
    "moderated: closes with a code after it has accepted": "ends",
    "session: a cookie, a wrong one and none": "frames",
    "game: an object with a cycle": "handshakes",
}
SAME = ["stored: history, members, and who comes and goes", "types: attributes of every type"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What Daphne does, some of it twice, and what it does with the changed consumers."""
    seed = make_database(tmp_path_factory.mktemp("seed"))
    some = [scenario for scenario in SCENARIOS if scenario.name in CHANGED or scenario.name in SAME]
    with Stage(tmp_path_factory.mktemp("corpus"), seed) as stage:
        first = truth(stage, "core", some)
        second = truth(stage, "core", [scenario for scenario in some if scenario.name in SAME])
        changed = stage.add("daphne", application="corpus.changed:application").wait()
        yield first, second, play({changed: some}, deadline=ORACLE_DEADLINE)[changed]


def test_two_daphnes_do_the_same(runs):
    first, second, _ = runs
    for name in SAME:
        assert difference(first[name], second[name]) is None, name


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_consumer_is_noticed(runs, name):
    first, _, changed = runs
    found = difference(first[name], changed[name]) or "nothing"
    assert found.partition(":")[0] == CHANGED[name], found


def test_every_consumer_of_the_corpus_has_a_script():
    """Each class at a route is played, or is among those that are refused."""
    played = {f"corpus.{scenario.consumer}" for scenario in SCENARIOS}
    routed = set(consumers())
    hopeless = {name for name in routed if name.startswith("corpus.hopeless.")}
    assert len(hopeless) == len(REFUSED) and len(routed - hopeless) >= 60
    assert played == routed - hopeless
    assert {f"corpus.{name}" for name in NATIVE} <= played
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names))
