"""What a user reads, and what a program reads."""

import json

from channelgate.shadow import report
from channelgate.shadow.compare import compare
from channelgate.shadow.latency import latency
from channelgate.shadow.report import Run
from shadow.play import accepted, closed, listened, recorded, side

RUN = Run("/ws/orders/7/", "user 7", 60)


def text(made):
    return "\n".join(report.lines(RUN, made, compare(made)))


def test_no_difference():
    made = listened([(3.0, {"type": "a"}), (4.0, {"type": "b"})], [(3.002, {"type": "a"}), (4.001, {"type": "b"})])
    assert (
        text(made)
        == """\
/ws/orders/7/ as user 7, 60 s
  left   ws://left  101 after 10.0 ms, 2 frames
  right  ws://right  101 after 10.0 ms, 2 frames

ok    handshake: 101, without a subprotocol
ok    close: both sides stayed open
ok    frames: 2 frames the same on both sides
behind the faster side: left p50 0.0 ms p99 0.0 ms, right p50 1.0 ms p99 2.0 ms; right - left p50 +1.0 ms p99 +2.0 ms

No difference."""
    )


def test_differences_are_listed_with_their_place():
    left = side("left", (3, 3, {"type": "a", "to": "paid"}), (4, 3, {"type": "b"}))
    right = side("right", (3, 3, {"type": "a", "to": "open"}), connections=[accepted(closed=closed(4403, 6.0))])
    printed = text(recorded(left, right))
    assert "FAIL  close\n      close (at 6.00 s, listening): left stays open, right closed with 4403\n" in printed
    assert 'differs (at 3.00 s, listening): $.to: left "paid", right "open"' in printed
    assert 'only left (at 4.00 s, listening): {"type": "b"}' in printed
    assert printed.endswith("The sides differ: 3 differences.")


def test_long_lists_are_cut():
    made = listened([(3 + n / 100, {"n": n, "k": n}) for n in range(30)], [])
    assert "      and 10 more: --json has all of them" in text(made)
    assert len(json.loads(report.as_json(RUN, made, compare(made)))["differences"]) == 30


def test_an_empty_comparison_says_so():
    assert text(listened([], [])).endswith(
        "No difference, but no frame came on either side: listen while something happens, or use --script."
    )
    refused = recorded(side("left", connections=[accepted(403)]), side("right", connections=[accepted(403)]))
    assert text(refused).endswith("No difference, but both sides refuse this client: no frame was compared.")


def test_json_has_everything():
    left = side("left", (3, 3, {"type": "a", "to": "paid"}), (3.5, 3, b"\x01"), (9, 3, "<p>"))
    right = side("right", (3, 3, {"type": "a", "to": "open"}), (3.5, 3, b"\x01"))
    found = json.loads(report.as_json(RUN, made := recorded(left, right), compare(made)))
    assert found["equal"] is False and found["same"] == 1
    assert found["left"]["frames"] == 3 and found["right"]["connections"][0] == {
        "status": 101,
        "subprotocol": None,
        "ms": 10.0,
        "close": None,
    }
    differs, only = found["differences"]
    assert differs == {
        "kind": "differs",
        "act": "listening",
        "at": 3.0,
        "path": "$.to",
        "left": "paid",
        "right": "open",
        "text": '$.to: left "paid", right "open"',
    }
    assert (only["kind"], only["left"], only["right"]) == ("only left", '"<p>"', None)
    assert found["latency"]["behind"]["left"] == {"count": 1, "p50_ms": 0.0, "p99_ms": 0.0}


def test_percentiles():
    assert latency([]) is None
    one = latency([n / 1000 for n in range(1, 101)])
    assert (one.count, one.p50, one.p99) == (100, 50.0, 99.0)
    assert latency([0.001]).p99 == 1.0
