"""Proof of the bridge: each consumer of tests/django/corpus behaves behind Channelgate as under Daphne.

The scripts are data (rig/corpus/scenarios). Each is played on Daphne, on one node, and a sample on three nodes, with
Django beside the wrapper `bridge(application)`; handshakes, frames, closes, events and rows must be the same.
"""

import pytest
from rig.corpus.routes import REFUSED, refusals
from rig.corpus.scenarios import SCENARIOS
from rig.corpus.stage import Stage, difference, play, truth
from rig.corpus.target import make_database
from rig.log import whole_log

pytestmark = pytest.mark.xdist_group("corpus")

CORE = [scenario for scenario in SCENARIOS if "core" in scenario.layers]
SAMPLE = [scenario for scenario in CORE if scenario.sample]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    seed = make_database(tmp_path_factory.mktemp("seed"))
    with Stage(tmp_path_factory.mktemp("corpus"), seed) as stage:
        yield stage


@pytest.fixture(scope="module")
def right(stage):
    """What Daphne does."""
    return truth(stage, "core", CORE)


@pytest.fixture(scope="module")
def one(stage):
    """What one node does, and the target itself. The refused ones are played with the others."""
    target = stage.add("uvicorn", nodes=1)
    return play({target: [*CORE, *refusals()]})[target], target


@pytest.fixture(scope="module")
def three(stage):
    """What three nodes do."""
    target = stage.add("uvicorn", nodes=3)
    return play({target: SAMPLE})[target]


def same(oracle, got):
    if text := difference(oracle, got):
        pytest.fail(text, pytrace=False)


@pytest.mark.parametrize("name", [scenario.name for scenario in CORE])
def test_one_node_does_as_daphne(right, one, name):
    same(right[name], one[0][name])


@pytest.mark.parametrize("name", [scenario.name for scenario in SAMPLE])
def test_three_nodes_do_as_daphne(right, three, name):
    same(right[name], three[name])


@pytest.mark.parametrize("path", REFUSED)
def test_what_cannot_be_bridged_is_refused_in_plain_words(one, path):
    """The connection ends, and the node's log and metric say why."""
    traces, target = one
    trace = traces[f"refused: {path}"]
    kind, text = REFUSED[path]
    assert trace.failed is None, trace.failed
    handshake, end = trace.handshakes["a"], trace.ends.get("a")
    assert (handshake["status"], end and end[0]) in {(101, 1011), (500, None)}
    node = target.system.nodes[0]
    if not text.search(whole_log(node)):
        pytest.fail(f"no line of the log has {text.pattern}")
    assert target.system.metric(node, "channelgate_bridge_refused_total", kind=kind) > 0
