"""Settings of the project that the tests run in process."""

import os
import tempfile
from pathlib import Path

RUN_DIR = Path(os.environ.get("CHANNELGATE_TESTS") or tempfile.mkdtemp(prefix="channelgate-django-"))
SECRET_KEY = "only for the tests of the package, and as long as Django wants it"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "channels",
    "channelgate",
    "project",
    "library",
]
MIDDLEWARE: list[str] = []
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": RUN_DIR / "db.sqlite3", "OPTIONS": {"timeout": 20}},
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": RUN_DIR / "other.sqlite3", "OPTIONS": {"timeout": 20}},
}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "replays": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "replays"},
}
CHANNEL_LAYERS = {
    "default": {"BACKEND": "harness.layer.RecordingLayer"},
    "second": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SECRET = "the secret that a node signs with"
CHANNELGATE = {"SECRET": SECRET}
