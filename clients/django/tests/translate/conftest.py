"""Projects of a file each, under `cases`: what they are is Python, what init writes for them is the TOML beside it."""

import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def application(name):
    """The application of a case."""
    from channels.routing import URLRouter

    module = importlib.import_module(f"cases.{name}")
    return getattr(module, "application", None) or URLRouter(module.websocket_urlpatterns)


@pytest.fixture(scope="session")
def translated():
    """What init makes of a case, by its name."""
    from channelgate.translate import project

    made = {}

    def translate(name):
        if name not in made:
            made[name] = project.translate(application(name))
        return made[name]

    return translate
