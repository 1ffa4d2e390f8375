"""Settings of the corpus, all of them from the environment; `BRIDGE=1` adds the bridge, and nothing else differs."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
RUN_DIR = Path(os.environ.get("RUN_DIR", BASE_DIR))
BRIDGE = os.environ.get("BRIDGE", "") == "1"

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only-for-the-corpus-and-never-for-production")
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", ".localhost"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "rest_framework.authtoken",
    "channels",
    "corpus.chat",
    "corpus.notify",
    "corpus.presence",
    "corpus.identity",
    "corpus.streams",
    "corpus.states",
    "corpus.mistakes",
    "corpus.packaged",
    "corpus.hopeless",
    *(["channelgate"] if BRIDGE else []),
]
MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "corpus.urls"
ASGI_APPLICATION = "corpus.asgi.application"
WSGI_APPLICATION = "corpus.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": RUN_DIR / "corpus.sqlite3",
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
_LAYERS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}
_layer = os.environ.get("LAYER", "core")
CHANNEL_LAYERS = {
    "default": {"BACKEND": _LAYERS[_layer], "CONFIG": {"hosts": [REDIS_URL]}}
    if _layer in _LAYERS
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"},
}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REST_FRAMEWORK = {"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"]}
CHANX = {"SEND_COMPLETION": True}
CHANNELGATE = {"SECRET": os.environ.get("CHANNELGATE_SECRET", "")}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
