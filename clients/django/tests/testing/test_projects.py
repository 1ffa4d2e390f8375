"""The tests of a small project, as its authors run them: with pytest and pytest-django, and with Django alone."""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SHOP = Path(__file__).parent / "shop"
HAS_PLUGIN = any(one.name == "channelgate" for one in importlib.metadata.entry_points(group="pytest11"))


def run(*words):
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "DJANGO_", "COV"))}
    done = subprocess.run(
        [sys.executable, *words], cwd=SHOP, env=own, text=True, capture_output=True, timeout=50, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_with_pytest_django():
    pytest.importorskip("pytest_django", reason="pytest-django is installed by make setup")
    plugin = [] if HAS_PLUGIN else ["-p", "channelgate.testing.plugin"]
    status, output = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "error", *plugin)
    assert status == 0, output
    assert re.search(r"^15 passed in ", output, re.MULTILINE), output


def test_with_django_alone():
    status, output = run("-W", "error", "manage.py", "test", "orders")
    assert status == 0 and "Ran 9 tests" in output, output


def test_helpers_need_no_pytest():
    code = "import sys, django; django.setup(); import channelgate.testing; assert 'pytest' not in sys.modules"
    own = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings"}
    subprocess.run([sys.executable, "-c", code], cwd=SHOP, env=own, check=True, timeout=30)
