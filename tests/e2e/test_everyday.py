"""Ten everyday Django projects behave behind a node as under Daphne: `shadow` finds no difference.

For each: two users, each client message once, each model created, changed and deleted, one reconnect, one logout; and
the clients that are refused. Nothing of a project is changed for the node.
"""

import asyncio

import pytest
from rig.everyday import Everyday, play_all
from rig.everyday_visits import PROJECTS
from rig.http import Http

pytestmark = pytest.mark.xdist_group("everyday")
NAMES = [project.name for project in PROJECTS]


@pytest.fixture(scope="module", params=["core", "pubsub"])
def played(request, tmp_path_factory):
    everyday = Everyday(tmp_path_factory.mktemp(request.param), request.param)
    try:
        everyday.start_nodes(*NAMES)
        everyday.wait()
        yield everyday, asyncio.run(play_all(everyday, PROJECTS))
    finally:
        everyday.stop()


@pytest.mark.parametrize("name", NAMES)
def test_no_difference_is_found(played, name):
    _, results = played
    wrong = [
        f"{result.visit.who or 'anonymous'} at {result.visit.path}: {finding.kind} ({finding.act}): {finding.text}"
        for result in results[name]
        for finding in result.found.findings
    ]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def test_much_was_compared(played):
    _, results = played
    compared = {name: sum(result.found.same for result in some) for name, some in results.items()}
    frames = sum(result.frames for some in results.values() for result in some)
    print(compared, frames)
    assert sum(compared.values()) >= 200, compared
    assert min(compared.values()) >= 10, compared
