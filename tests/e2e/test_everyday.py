"""Ten everyday Django projects behave behind a node as under Daphne: `shadow` finds no difference.

Each goes through `manage.py channelgate init` without an edit. Then two users visit both sides: each client message
once, each model created, changed and deleted, one reconnect, one logout; and clients come that are refused.
"""

import asyncio
import re

import pytest
from rig.everyday.play import play_all
from rig.everyday.projects import PROJECTS
from rig.http import Http


@pytest.fixture(scope="module")
def played(everyday):
    """What was found, for each project."""
    return asyncio.run(play_all(everyday))


@pytest.mark.parametrize("project", PROJECTS, ids=str)
def test_no_difference_is_found(everyday, played, project):
    wrong = [
        f"{result.visit.who or 'anonymous'} at {result.visit.path}: {finding.kind} ({finding.act}): {finding.text}"
        for result in played[project.name]
        for finding in result.found.findings
    ]
    if wrong:
        pytest.fail("\n".join([*wrong, *everyday.complaints(project.name)]), pytrace=False)
    one, two = played[project.name][:2]
    for result, at_least in ((one, 2), (two, 2)):
        # Both were let in, came again, and heard of the models.
        assert [connection.handshake.status for connection in result.recorded.left.connections[:2]] == [101, 101]
        assert result.found.same >= at_least
    assert sum(len(shadow.acts) for shadow in (one.recorded, two.recorded)) > 10


def test_much_was_compared(played):
    compared = {name: sum(result.found.same for result in some) for name, some in played.items()}
    assert sum(compared.values()) >= 200, compared
    assert min(compared.values()) >= 15, compared
    ends = [result.recorded.left.connections[0] for some in played.values() for result in some]
    assert sum(end.handshake.status == 403 for end in ends) >= 10
    assert {end.closed.code for end in ends if end.closed} >= {1011, 4000, 4003, 4004}


@pytest.mark.parametrize("project", PROJECTS, ids=str)
def test_the_page_opens_the_path_that_is_compared(everyday, project):
    person = everyday.people["ben"]["sessions"].get(project.name, [""])[-1]
    page = everyday.filled(project.page)
    reply = Http(everyday.left.port).request_now("GET", page, headers={"Cookie": f"sessionid={person}"})
    assert reply.status == 200
    path = project.visits[0].path.split("{")[0]
    assert re.search(rf"{re.escape(path)}|/ws/chat/", reply.body.decode()), reply.body
