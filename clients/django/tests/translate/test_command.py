"""`manage.py channelgate init`: what it writes, and what it leaves alone."""

import os

import pytest
import tomllib
from django.core.management import call_command


@pytest.fixture
def init(tmp_path, settings, capsys, monkeypatch):
    """Runs init for a case; its exit status and what it said."""
    monkeypatch.setenv("CHANNELGATE_BIN", str(tmp_path / "missing"))
    file = tmp_path / "channelgate.toml"

    def run(case, *options):
        settings.ASGI_APPLICATION = f"cases.{case}.application"
        code = 0
        try:
            call_command("channelgate", "init", "--config", str(file), *options)
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out + said.err

    run.file = file
    return run


def test_it_writes_the_file_and_a_table_of_its_verdicts(init):
    code, said = init("login")
    assert code == 0
    assert len(tomllib.loads(init.file.read_text())["consumer"]) == 13
    assert "12 native, 1 native + calls" in said
    lines = {line.split()[0]: line for line in said.splitlines() if line.startswith("/")}
    assert " native  " in lines["/staff/"] and "it sends something to a client that it refuses" in lines["/with-frame/"]
    assert "run your tests" in said
    assert "shadow --path /staff/" in said
    # A path that a shell takes as it is.
    assert "shadow --path /own/7/ " in said and "shadow --path /own/<" not in said


def test_it_never_overwrites_without_force(init):
    init.file.write_text("# mine\n")
    code, said = init("login")
    assert code == 1
    assert init.file.read_text() == "# mine\n"
    assert "--force" in said
    assert init("login", "--force")[0] == 0
    assert "[[consumer]]" in init.file.read_text()
    # What it would write is there already.
    assert init("login")[0] == 0


def test_diff_shows_what_would_change_and_writes_nothing(init):
    code, said = init("login", "--diff")
    assert code == 0
    assert "+[[consumer]]" in said
    assert not init.file.exists()


def test_check_exits_with_3_if_something_changed_and_names_what_stays(init):
    code, said = init("python", "--check")
    assert code == 3 and not init.file.exists()
    assert "refused: loop/:" in said and "is a loop that waits" in said
    init("python")
    assert init("python", "--check")[0] == 0
    init.file.write_text(init.file.read_text().replace("django = true", 'django = ["connect"]'))
    code, said = init("python", "--check")
    assert code == 3
    assert "+django = true" in said


def test_a_file_that_cannot_be_read_is_an_error_in_one_line(init):
    init.file.write_bytes(b"\xff\xfe")
    for options in ([], ["--check"], ["--diff"]):
        code, said = init("login", *options)
        assert code == 1
        assert "channelgate.toml or nginx-channelgate.conf beside it cannot be read or written: " in said


def test_without_the_node_it_says_that_nothing_has_read_the_file(init):
    _, said = init("login")
    assert "channelgate check has not read the file. CHANNELGATE_BIN is" in said


@pytest.mark.skipif("CHANNELGATE_BIN" not in os.environ, reason="CHANNELGATE_BIN names no node")
@pytest.mark.parametrize("case", ["events", "groups", "login", "messages", "middleware", "python"])
def test_channelgate_check_accepts_every_case(init, monkeypatch, case):
    monkeypatch.setenv("CHANNELGATE_BIN", BINARY)
    code, said = init(case)
    assert code == 0
    assert "channelgate check accepts the file." in said
    assert "check refuses" not in init.file.read_text()


BINARY = os.environ.get("CHANNELGATE_BIN", "")


def test_the_next_steps_name_paths_that_the_routes_take(init, translated):
    written = translated("paths")
    routes = [one.route for one in written.verdicts if one.kind != "stays with Daphne" and one.route.path]
    _code, said = init("paths")
    digits = 0
    for route, path in zip(routes, written.samples, strict=True):
        assert f"--path {path} " in said
        if route.typed and all(one.kind == "digits" for one in route.typed):
            digits += 1
            # In the file it is a slug, which the route would not take.
            assert "<slug:" in route.path and "a-b" not in path and "7" in path, (route.shown, path)
    assert digits
