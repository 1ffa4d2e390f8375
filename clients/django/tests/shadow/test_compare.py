"""What a comparison finds: one table of recordings, and what is said about each."""

import pytest

from channelgate.shadow import ignore
from channelgate.shadow.compare import compare
from channelgate.shadow.recorded import Act
from shadow.play import LISTENING, OPENING, accepted, closed, listened, recorded, side

A, B, C = ({"type": name, "n": 1} for name in "abc")
A2 = {"type": "a", "n": 2}
MESSAGE = Act("message", 4, 5, 1, '{"say":1}')


def said(left_own, right_own, left_other=(), right_other=(), acts=(OPENING, LISTENING, MESSAGE), **more):
    """A message of each side: what its sender gets, and what the other one gets of it."""
    own = [(4 + at, 4, value) for at, value in left_own], [(5 + at, 5, value) for at, value in right_own]
    other = [(5 + at, 5, value) for at, value in left_other], [(4 + at, 4, value) for at, value in right_other]
    return recorded(side("left", *own[0], *other[0]), side("right", *other[1], *own[1]), acts, **more)


EQUAL = {
    "nothing": listened([], []),
    "the same": listened([(3, A), (3.1, B)], [(3.01, A), (3.11, B)]),
    "the same twice": listened([(3, A), (3.1, A)], [(3.2, A), (3.3, A)]),
    "hello": recorded(side("left", (1, 1, A)), side("right", (2, 2, A))),
    "hello, and the left hears that the right comes": recorded(
        side("left", (1, 1, A), (2, 2, B)), side("right", (2, 2, A))
    ),
    "events of one text, the first of which the right got before both listened": recorded(
        side("left", (3.01, 3, A), (3.2, 3, A)), side("right", (2.99, 2, A), (3.21, 3, A))
    ),
    "hello to both, and an event while the right comes": recorded(
        side("left", (1, 1, A), (2.1, 2, C)), side("right", (2, 2, A), (2.1, 2, C))
    ),
    "traffic while only the left is there": recorded(
        side("left", (1, 1, A), (1.1, 1, B), (3, 3, B)), side("right", (2, 2, A), (3, 3, B))
    ),
    "traffic while both are opened": recorded(
        side("left", (1, 1, A), (1.1, 1, {**B, "n": 7}), (2.1, 2, {**B, "n": 8}), (2.9, 2, {**B, "n": 9})),
        side("right", (2, 2, A), (2.1, 2, {**B, "n": 8}), (3, 3, {**B, "n": 9})),
    ),
    "an event when the right arrives": recorded(
        side("left", (1, 1, A), (1.9, 1, {"id": 1}), (2.2, 2, {"id": 2})),
        side("right", (2, 2, {"id": 1}), (2.1, 2, A), (2.2, 2, {"id": 2})),
    ),
    "much traffic, of one kind": recorded(
        side("left", (1, 1, A), *((1 + n / 10, 1, {"id": n}) for n in range(1, 9)), (2.2, 2, {"id": 9})),
        side("right", (2.1, 2, A), (2.2, 2, {"id": 9})),
    ),
    "both arrive, and hear of it": recorded(
        side("left", (1, 1, A), (1.1, 1, B), (2, 2, B)), side("right", (2, 2, A), (2.1, 2, B))
    ),
    "different kinds change places": listened([(3, A), (3.01, B)], [(3, B), (3.01, A)]),
    "refused alike": recorded(side("left", connections=[accepted(403)]), side("right", connections=[accepted(403)])),
    "closed alike": recorded(
        side("left", connections=[accepted(closed=closed(4001))]),
        side("right", connections=[accepted(closed=closed(4001, reason="why"))]),
    ),
    "what one side gets in time, and the other one after the end": recorded(
        side("left", (3, 3, A), (4, 4, {**B, "n": 2})),
        side("right", (4, 4, A)),
        (OPENING, Act("listening", 3, 3, grace=4)),
    ),
    "an answer of each side": said([(0, A)], [(0, A)]),
    "a row of each side": said([(0, {"id": 5})], [(0, {"id": 6})]),
    "a message to all": said([(0, A), (0.1, B)], [(0, A), (0.1, B)], [(0, B)], [(0.1, B)]),
    "a message to the others": said([], [], [(0, A)], [(0, A)]),
    "events of one message change places": said(
        [(0, A), (0.1, B)], [(0, B), (0.1, A)], [(0, A), (0.1, B)], [(0, A), (0.1, B)]
    ),
    "the left is away in the right's turn": said(
        [(0, A)], [(0, A)], [], [(0, B)], (OPENING, LISTENING, Act("message", 4, 5, 1, "x", both=False))
    ),
    "both closed by the first one's message": recorded(
        side("left", (4, 4, A), connections=[accepted(closed=closed(4000, 4, 4))]),
        side("right", (4, 4, A), connections=[accepted(closed=closed(4000, 4, 4))]),
        (OPENING, LISTENING, Act("message", 4, None, 1, "x")),
    ),
}

#: Name → recording, and kind, act and text of each finding.
DIFFERENT = {
    "only left": (listened([(3, A), (9, B)], [(3, A)]), [("only left", "listening", '{"type": "b", "n": 1}')]),
    "only right": (listened([(3, A)], [(3, A), (9, B)]), [("only right", "listening", '{"type": "b", "n": 1}')]),
    "one of two equal ones": (listened([(3, A), (4, A)], [(3, A)]), [("only left", "listening", None)]),
    "one of two rows": (
        listened([(3, {"id": 1}), (3.1, {"id": 2})], [(3.1, {"id": 2})]),
        [("only left", "listening", '{"id": 1}')],
    ),
    "what does not come to the other one after the end": (
        recorded(side("left", (3, 3, A)), side("right", (4, 4, B)), (OPENING, Act("listening", 3, 3, grace=4))),
        [("only left", "listening", '{"type": "a", "n": 1}')],
    ),
    "another value": (listened([(3, A)], [(3, A2)]), [("differs", "listening", "$.n: left 1, right 2")]),
    "another value, much later": (
        listened([(3, A)], [(9, A2)]),
        [("only left", "listening", None), ("only right", "listening", None)],
    ),
    "too late": (
        listened([(3, A)], [(6, A)]),
        [("late", "listening", '{"type": "a", "n": 1}: 3.0 s later on the right')],
    ),
    "too early": (
        listened([(6, A)], [(3, A)]),
        [("late", "listening", '{"type": "a", "n": 1}: 3.0 s later on the left')],
    ),
    "one kind in another order": (
        listened([(3, A), (3.1, A2)], [(3, A2), (3.1, A)]),
        [("order", "listening", 'left has {"type": "a", "n": 1} before {"type": "a", "n": 2}, right after it')],
    ),
    "other kinds in another order, far apart": (
        listened([(3, A), (3.5, C), (5.2, B)], [(3.5, C), (3.4, B), (5, A)]),
        [("order", "listening", None)],
    ),
    "hello is missing": (recorded(side("left", (1, 1, A)), side("right")), [("only left", "opening", None)]),
    "a hello of the right alone, with the text of an event": (
        recorded(side("left", (3.5, 3, A)), side("right", (2.9, 2, A), (3.5, 3, A))),
        [("only right", "listening", '{"type": "a", "n": 1}')],
    ),
    "only the left hears of its arrival": (
        recorded(side("left", (1, 1, A), (1.1, 1, B)), side("right", (2, 2, A))),
        [("only left", "opening", '{"type": "b", "n": 1}')],
    ),
    "only the right hears of its arrival": (
        recorded(side("left", (1, 1, A)), side("right", (2, 2, A), (2.1, 2, B))),
        [("only right", "opening", '{"type": "b", "n": 1}')],
    ),
    "an event while the right comes is another one": (
        recorded(
            side("left", (2.1, 2, {"at": "2026-11-27T10:00:00Z"})),
            side("right", (2.1, 2, {"at": "2026-11-27T10:00:09Z"})),
        ),
        [("differs", "opening", '$.at: left "2026-11-27T10:00:00Z", right "2026-11-27T10:00:09Z"')],
    ),
    "hello differs": (
        recorded(side("left", (1, 1, A)), side("right", (2, 2, A2))),
        [("differs", "opening", "$.n: left 1, right 2")],
    ),
    "hello in another order": (
        recorded(side("left", (1, 1, A), (1.1, 1, B)), side("right", (2, 2, B), (2.1, 2, A))),
        [("order", "opening", None)],
    ),
    "status": (
        recorded(side("left", connections=[accepted(403)]), side("right")),
        [("handshake", "opening", "status: left 403, right 101")],
    ),
    "subprotocol": (
        recorded(side("left", connections=[accepted(subprotocol="v2")]), side("right")),
        [("handshake", "opening", "subprotocol: left v2, right none")],
    ),
    "second handshake": (
        recorded(
            side("left", connections=[accepted(), accepted(403)]), side("right", connections=[accepted(), accepted()])
        ),
        [("handshake", "reconnect, number 1", "status: left 403, right 101")],
    ),
    "close code": (
        recorded(
            side("left", connections=[accepted(closed=closed(4001))]),
            side("right", connections=[accepted(closed=closed(1008))]),
        ),
        [("close", "listening", "left closed with 4001, right closed with 1008")],
    ),
    "only one closes": (
        recorded(side("left"), side("right", connections=[accepted(closed=closed(4403))])),
        [("close", "listening", "left stays open, right closed with 4403")],
    ),
    "no answer": (said([(0, A)], []), [("only left", "message 1", None)]),
    "another answer": (said([(0, A)], [(0, A2)]), [("differs", "message 1", "$.n: left 1, right 2")]),
    "answer in another order": (
        said([(0, A), (0.1, B)], [(0, B), (0.1, A)]),
        [("order", "message 1", None)],
    ),
    "answer and event in another order": (
        said([(0, A), (0.1, B)], [(0, B), (0.1, A)], [(0, B)], [(0.1, B)]),
        [("order", "message 1", None)],
    ),
    "not sent to the others": (
        said([(0, A)], [(0, A)], [], [(0, B)]),
        [("only right", "the other side's message 1", '{"type": "b", "n": 1}')],
    ),
    "sent to the others only on the right": (
        said([(0, A)], [(0, A)], [(0, B)], []),
        [("only left", "the other side's message 1", '{"type": "b", "n": 1}')],
    ),
    "known id": (
        said([(0, {"user_id": 7})], [(0, {"user_id": 8})], ids=["7"]),
        [("differs", "message 1", "$.user_id: left 7, right 8")],
    ),
    "id of an earlier frame": (
        recorded(
            side("left", (3, 3, {"id": 9}), (4, 4, {"id": 10})),
            side("right", (3, 3, {"id": 9}), (5, 5, {"id": 9})),
            (OPENING, LISTENING, MESSAGE),
        ),
        [("differs", "message 1", "$.id: left 10, right 9")],
    ),
    "text": (listened([(3, "a")], [(3, "b")]), [("differs", "listening", '$: left "a", right "b"')]),
    "bytes": (listened([(3, b"a")], [(3, b"b")]), [("differs", "listening", "$: left 1 bytes 61, right 1 bytes 62")]),
    "closed in its turn": (
        recorded(
            side("left", (4, 4, A)),
            side("right", connections=[accepted(closed=closed(1011, 4, 4))]),
            (OPENING, LISTENING, Act("message", 4, None, 1, "x")),
        ),
        [("only left", "message 1", None), ("close", "message 1", "left stays open, right closed with 1011")],
    ),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal(name):
    found = compare(EQUAL[name])
    assert found.findings == []
    assert found.is_equal


@pytest.mark.parametrize("name", DIFFERENT)
def test_different(name):
    run, expected = DIFFERENT[name]
    found = compare(run)
    seen = [(one.kind, one.act, one.text) for one in found.findings]
    assert [one[:2] for one in seen] == [one[:2] for one in expected], seen
    for (_, _, text), (_, _, wanted) in zip(seen, expected, strict=True):
        assert wanted in (None, text)
    assert not found.is_equal


def test_ignored_paths_do_not_count():
    run = listened([(3, {"type": "a", "n": 1})], [(3, {"type": "a", "n": 2})])
    assert compare(run, [ignore.parse("$.n")]).is_equal


def test_the_tolerance_is_for_times_and_for_arrival():
    run = listened([(3, {"at": "2026-11-27T10:00:00Z"})], [(6, {"at": "2026-11-27T10:00:03Z"})])
    assert [one.kind for one in compare(run).findings] == ["late"]
    assert compare(run, tolerance=5).is_equal


def test_latencies_are_of_what_both_heard_and_of_answers():
    found = compare(listened([(3.0, A), (4.0, B)], [(3.002, A), (3.999, B)]))
    assert [[round(one, 3) for one in times] for times in found.behind] == [[0, 0.001], [0.002, 0]]
    found = compare(said([(0.25, A)], [(0.5, A)]))
    assert found.answers == ([0.25], [0.5])


def test_what_is_not_compared_is_said():
    notes = compare(EQUAL["traffic while only the left is there"]).notes
    assert notes[0].startswith("Not compared: 1 of the frames that came while only the left was open.")
    assert compare(EQUAL["different kinds change places"]).notes[0].startswith("1 frames of different kinds")
    assert "The reasons of close code 4001 differ" in compare(EQUAL["closed alike"]).notes[0]
    both = recorded(side("left"), side("right"), (OPENING, Act("message", None, None, 1)))
    assert compare(both).notes == ["message 1 was not sent: both sides had closed the connection."]
