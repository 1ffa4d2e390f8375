"""Where a class is written: as `inspect` says, which reads the whole module for each."""

import importlib
import inspect
import sys
import textwrap

import pytest

from channelgate.translate import modules

SOURCE = textwrap.dedent("""
    def same(cls):
        return cls


    class Plain:
        ROOMS = {}

        class Inner:
            pass


    @same
    @same
    class Decorated:
        pass


    def make():
        class Local:
            pass

        return Local


    Made = make()
""")


@pytest.fixture
def written(tmp_path, monkeypatch):
    (tmp_path / "written_here.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("written_here")
    del sys.modules["written_here"]


def test_the_line_of_a_class_is_the_one_of_its_first_decorator(written):
    for cls in (written.Plain, written.Plain.Inner, written.Decorated, written.Made):
        assert modules.line_of(cls) == inspect.getsourcelines(cls)[1], cls


def test_the_statements_that_assign_a_name_are_those_of_its_module_or_class(written):
    (made,) = modules.statements(written, "Made")
    (rooms,) = modules.statements(written.Plain, "ROOMS")
    assert (made.lineno, rooms.lineno) == (SOURCE.splitlines().index("Made = make()") + 1, 7)
    assert modules.statements(written, "ROOMS") == () == modules.statements(written.Decorated, "ROOMS")


def test_what_was_made_at_run_time_has_no_line(written):
    assert modules.line_of(type("Nowhere", (), {"__module__": "written_here"})) is None
    assert modules.line_of(type("Nowhere", (), {"__module__": "no_such_module"})) is None
