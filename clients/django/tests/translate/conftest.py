"""Projects of a file each, under `cases`: what they are is Python, what init writes for them is the TOML beside it."""

import importlib
import sys
import textwrap
from pathlib import Path

import pytest
from django.test import override_settings

sys.path.insert(0, str(Path(__file__).parent))


def application(name):
    """The application of a case."""
    from channels.routing import URLRouter

    module = importlib.import_module(f"cases.{name}")
    return getattr(module, "application", None) or URLRouter(module.websocket_urlpatterns)


@pytest.fixture(autouse=True)
def project_folder():
    """The project's own source says which events it sends."""
    with override_settings(BASE_DIR=Path(__file__).parent / "cases"):
        yield


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


HEAD = """
import asyncio, datetime, functools, hashlib, json, logging, random, time
from asgiref.sync import async_to_sync
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.exceptions import AcceptConnection, DenyConnection, StopConsumer
from channels.generic.websocket import *
from channels.routing import URLRouter
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.urls import path, re_path
from django.utils import timezone
from channels.security.websocket import AllowedHostsOriginValidator


def allowed(inner):
    return AllowedHostsOriginValidator(AuthMiddlewareStack(inner))


logger = logging.getLogger(__name__)
"""


@pytest.fixture
def verdict(verdicts):
    """What becomes of the class `C` of this source, at this route, behind `AuthMiddlewareStack`."""

    def translate(*arguments, **named):
        (found,) = verdicts(*arguments, **named)
        return found

    return translate


@pytest.fixture
def verdicts(tmp_path, monkeypatch):
    """The same, for several routes."""
    from channelgate.translate import project

    count = iter(range(1000))

    def translate(source, route='path("x/<slug:room>/", {})', outside="AuthMiddlewareStack"):
        name = f"law_{tmp_path.name.replace('-', '_')}_{next(count)}"
        text = HEAD + textwrap.dedent(source)
        text += f"\n\nROUTES = URLRouter([{route.format('C.as_asgi()')}])\n"
        text += f"APPLICATION = {outside}(ROUTES)\n" if outside else "APPLICATION = ROUTES\n"
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()
        with override_settings(BASE_DIR=tmp_path):
            return project.translate(importlib.import_module(name).APPLICATION).verdicts

    return translate
