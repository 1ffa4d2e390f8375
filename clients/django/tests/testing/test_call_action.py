"""`call_action()`: an action of the project without a node."""

import pytest

from channelgate import NotFound, Refused
from channelgate.testing import acall_action, call_action


def test_the_answer_is_what_a_node_would_read(anna):
    answer = call_action("user", {"x": (1, 2)}, user=anna[0], connection="k2Jx", consumer="tracker")
    assert answer == {"id": anna[0].pk, "connection": "k2Jx", "consumer": "tracker", "data": {"x": [1, 2]}}
    assert call_action("auser", user={"id": anna[0].pk})["at"] == "2026-03-02T09:31:07.123Z"


async def test_in_asynchronous_tests(anna):
    assert (await acall_action("user", user=anna[0]))["id"] == anna[0].pk
    assert (await acall_action("auser", user=anna[0]))["id"] == anna[0].pk
    with pytest.raises(Refused, match="No such user"):
        await acall_action("auser")


def test_refusals_and_failures_are_raised():
    with pytest.raises(NotFound):
        call_action("user")
    with pytest.raises(Refused) as refused:
        call_action("auser")
    assert (refused.value.status, refused.value.message) == (409, "No such user")
    # A node would get 500 without a word.
    with pytest.raises(RuntimeError, match="a secret of the code"):
        call_action("fails")
    with pytest.raises(TypeError):
        call_action("set")


def test_an_atomic_action_is_undone():
    from project.models import Message

    with pytest.raises(Refused):
        call_action("atomic")
    assert not Message.objects.filter(room="atomic").exists()


def test_an_unknown_action_names_the_known_ones():
    with pytest.raises(LookupError, match=r'"usr" is not registered; registered: .*auser, .*ACTIONS_MODULE'):
        call_action("usr")
