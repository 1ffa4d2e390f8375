"""The locations of nginx: nothing of a path or a reason becomes a directive."""

from channelgate.nginx import locations


def test_a_path_and_a_reason_of_several_lines_stay_comments():
    text = locations([], "127.0.0.1:8001", None, {"^ws/\n  return 200;\n$": "a\rdeny\nall;"})
    assert all(line.startswith("#") for line in text.splitlines() if line)
    assert "# ^ws/ return 200; $ stays with Daphne: a deny all;" in text
