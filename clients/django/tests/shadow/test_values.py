"""When two frames are the same."""

import json

import pytest

from channelgate.shadow import ignore, values
from channelgate.shadow.times import moment

SAME = {
    "order of keys": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "one kind of number": ({"n": 1}, {"n": 1.0}),
    "a second later": ({"at": "2026-11-27T10:00:00"}, {"at": "2026-11-27T10:00:01"}),
    "Z and +00:00": ({"at": "2026-11-27T10:00:00.5Z"}, {"at": "2026-11-27T10:00:00.500000+00:00"}),
    "two zones": ({"at": "2026-11-27T10:00:00Z"}, {"at": "2026-11-27T11:30:00+0130"}),
    "zones west and east": ({"at": "2026-11-27T05:00:00-05:00"}, {"at": "2026-11-27T12:00:00+02:00"}),
    "text of a datetime": ({"at": "2026-11-27 10:00:00.1"}, {"at": "2026-11-27 10:00:00.9"}),
    "epoch": ({"at": 1764237600.2}, {"at": 1764237601.1}),
    "epoch in ms": ({"at": 1764237600200}, {"at": 1764237601100}),
    "epoch as text": ({"at": "1764237600"}, {"at": "1764237601"}),
    "clock": ({"at": "23:59:59"}, {"at": "00:00:00"}),
    "clock in minutes": ({"at": "10:00"}, {"at": "10:01"}),
    "clock of twelve hours": ({"at": "11:59 AM"}, {"at": "12:00 PM"}),
    "a time inside a text": ("saved at 2026-11-27 10:00:00 by anna", "saved at 2026-11-27 10:00:01 by anna"),
    "channel": ({"channel": "specific.a1!b2"}, {"channel": "specific.gw1!c.k2Jx"}),
}
DIFFERENT = {
    "value": ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "$.a.b[1]"),
    "missing key": ({"a": 1, "b": None}, {"a": 1}, "$.b"),
    "one more": ({"a": [1]}, {"a": [1, 2]}, "$.a[1]"),
    "number and text": ({"id": 7}, {"id": "7"}, "$.id"),
    "number and truth": ({"a": 1}, {"a": True}, "$.a"),
    "null and false": ({"a": None}, {"a": False}, "$.a"),
    "too late": ({"at": "2026-11-27T10:00:00Z"}, {"at": "2026-11-27T10:00:04Z"}, "$.at"),
    "with and without a zone": ({"at": "2026-11-27T10:00:00"}, {"at": "2026-11-27T10:00:00Z"}, "$.at"),
    "seconds and milliseconds": ({"at": 1764237600}, {"at": 1764237600000}, "$.at"),
    "epoch as number and as text": ({"at": 1764237600}, {"at": "1764237601"}, "$.at"),
    "not a time": ({"at": "99:00"}, {"at": "99:01"}, "$.at"),
    "not a date": ({"at": "2026-13-27T10:00:00Z"}, {"at": "2026-13-27T10:00:01Z"}, "$.at"),
    "another text around a time": ("saved 2026-11-27 10:00:00", "Saved 2026-11-27 10:00:00", "$"),
    "list and object": ({"a": []}, {"a": {}}, "$.a"),
    "large numbers": ({"n": 2**53}, {"n": 2**53 + 1}, "$.n"),
    "very large numbers": ({"n": 10**400}, {"n": 10**400 + 1}, "$.n"),
    "case": ({"a": "Anna"}, {"a": "anna"}, "$.a"),
}


def found(left, right, **more):
    return values.differences(left, right, 2.0, **more)


@pytest.mark.parametrize("name", SAME)
def test_the_same(name):
    left, right = SAME[name]
    assert found(left, right) == found(right, left) == []
    assert values.find_key(left, False) == values.find_key(right, False)


@pytest.mark.parametrize("name", DIFFERENT)
def test_different(name):
    left, right, path = DIFFERENT[name]
    assert [one.path for one in found(left, right)] == [path]
    assert found(right, left)


def test_ids_that_were_made_for_each_side_may_differ():
    seen = values.Seen(["7"])
    seen.learn({"message": {"id": 40, "user_id": 3}})
    made = {"id": 41, "userId": 7, "message_ids": [1], "u": "7d444840-9dc0-11d1-b245-5ffdce74fad2"}
    other = {"id": 42, "userId": 7, "message_ids": [1], "u": "7d444840-9dc0-11d1-b245-5ffdce74fad3"}
    assert found(made, other, made=seen.made) == []
    assert [one.path for one in found({"id": 41}, {"id": 40}, made=seen.made)] == ["$.id"]
    assert [one.path for one in found({"user_id": 7}, {"user_id": 8}, made=seen.made)] == ["$.user_id"]
    assert [one.path for one in found({"count": 41}, {"count": 42}, made=seen.made)] == ["$.count"]
    assert [one.path for one in found({"id": 41}, {"id": "42"}, made=seen.made)] == ["$.id"]
    assert found({"id": 41}, {"id": 42})


IGNORED = {
    "$.at": ({"at": 1, "b": {"at": 2}}, {"b": {"at": 2}}),
    "$.b.at": ({"at": 1, "b": {"at": 2}}, {"at": 1, "b": {}}),
    "$..at": ({"at": 1, "b": [{"at": 2, "c": 3}]}, {"b": [{"c": 3}]}),
    "$.items[*].id": ({"items": [{"id": 1, "n": 1}, {"id": 2}]}, {"items": [{"n": 1}, {}]}),
    "$.items[0]": ({"items": [1, 2]}, {"items": [2]}),
    "$['a b'].c": ({"a b": {"c": 1, "d": 2}}, {"a b": {"d": 2}}),
    "$.*.x": ({"a": {"x": 1}, "b": {"x": 2, "y": 3}}, {"a": {}, "b": {"y": 3}}),
    "$[1]": ([1, 2, 3], [1, 3]),
    "$.missing.x": ({"a": 1}, {"a": 1}),
}


@pytest.mark.parametrize("path", IGNORED)
def test_ignored_paths_are_left_out(path):
    before, after = IGNORED[path]
    assert ignore.without(before, [ignore.parse(path)]) == after


@pytest.mark.parametrize("path", ["", "$", "at", "$at", "$.", "$.a..", "$[x]", "$.a[", "$.a b", "x$.a"])
def test_a_wrong_path_is_refused(path):
    with pytest.raises(ignore.WrongPath, match=r"write a path such as \$\.at"):
        ignore.parse(path)


def test_what_is_not_json_is_compared_as_it_is():
    decode = lambda data: values.decode(data, [ignore.parse("$.at")])  # noqa: E731
    assert decode(json.dumps({"at": 1})) == {}
    assert decode("<li>one</li>") == values.Text("<li>one</li>")
    assert decode(b"\x00") == b"\x00"
    assert found(decode("ping"), decode('"ping"')), "a text is not the JSON of it"
    assert found(decode("a"), decode("b")) and found(b"a", b"b") and not found(decode("a"), decode("a"))


@pytest.mark.parametrize("value", [True, None, 7, 7.5, "7", "12", "10:0", "24:00", "2026-11-27", [], "1700"])
def test_not_a_time(value):
    assert moment(value) is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"type": "a", "event": "b"}, "type a"),
        ({"event": "b", "x": 1}, "event b"),
        ({"type": 7, "b": 1}, "keys b, type"),
        ([], "list"),
        (values.Text("a"), "text"),
        (b"a", "binary"),
        (7, "value"),
    ],
)
def test_the_kind_of_a_frame(value, kind):
    assert values.kind(value) == kind
