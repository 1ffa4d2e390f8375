"""The whole corpus on three nodes: both channel layers, and Django beside the wrapper and as WSGI under gunicorn.

`make soak` runs it. `make test` has one node and a sample on three: test_corpus.py.
"""

import pytest
from rig.corpus.scenarios import SCENARIOS
from rig.corpus.stage import Stage, difference, play, truth
from rig.corpus.target import make_database

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.mark.parametrize("layer", ["core", "pubsub"])
def test_every_consumer_does_as_under_daphne(tmp_path, layer):
    some = [scenario for scenario in SCENARIOS if layer in scenario.layers]
    (tmp_path / "seed").mkdir()
    with Stage(tmp_path, make_database(tmp_path / "seed")) as stage:
        right = truth(stage, layer, some)
        targets = {server: stage.add(server, layer, nodes=3) for server in ("uvicorn", "daphne", "gunicorn")}
        runs = play(dict.fromkeys(targets.values(), some))
    found = [
        f"{scenario.name} ({server}): {text}"
        for scenario in some
        for server, target in targets.items()
        if (text := difference(right[scenario.name], runs[target][scenario.name]))
    ]
    if found:
        pytest.fail(f"{len(found)} differ\n" + "\n".join(found), pytrace=False)
