"""The fixtures of the package, as a project's tests have them, and one node for this folder."""

import importlib.metadata
from pathlib import Path

import pytest

# An installed package brings them by its entry point.
if not any(one.name == "channelgate" for one in importlib.metadata.entry_points(group="pytest11")):
    from channelgate.testing.plugin import (  # noqa: F401
        channelgate_environ,
        channelgate_node,
        gate,
        published,
    )


# A project of its own: test_projects.py runs its tests.
collect_ignore = ["shop"]


@pytest.fixture(scope="session")
def channelgate_config():
    return Path(__file__).parent / "files" / "channelgate.toml"
