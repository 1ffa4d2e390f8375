"""The project of the tests, with a database of its own and one user who is logged in."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")


def pytest_configure():
    import django
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    database = Path(settings.DATABASES["default"]["NAME"])
    if not database.exists():
        call_command("migrate", verbosity=0, run_syncdb=True)


@pytest.fixture(scope="session")
def anna():
    """A user, and the cookie of her session."""
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    user, _ = User.objects.get_or_create(username="anna", defaults={"email": "anna@example.org", "first_name": "Anna"})
    user.set_password("secret")
    user.save()
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session["cart"] = [1, 2]
    session.save()
    return user, f"sessionid={session.session_key}"


@pytest.fixture
def layer():
    """The project's layer, empty."""
    from channels.layers import channel_layers
    from harness.layer import RecordingLayer

    channel_layers.backends.clear()
    channel_layers.set("default", RecordingLayer())
    return channel_layers["default"]


@pytest.fixture
def settings():
    """The settings; what a test changes is undone, as pytest-django has it."""
    from django.conf import settings as real
    from django.test.utils import override_settings

    class Changes:
        def __init__(self):
            self.overrides = []

        def __getattr__(self, name):
            return getattr(real, name)

        def __setattr__(self, name, value):
            if name == "overrides":
                object.__setattr__(self, name, value)
                return
            override = override_settings(**{name: value})
            override.enable()
            self.overrides.append(override)

    changes = Changes()
    yield changes
    for override in reversed(changes.overrides):
        override.disable()
