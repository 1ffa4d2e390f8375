"""Settings, all of them from the environment, so that tests can run several projects side by side."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
RUN_DIR = Path(os.environ.get("RUN_DIR", BASE_DIR))

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only-for-the-demonstration-and-never-for-production")
DEBUG = os.environ.get("DEBUG", "") == "1"
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost").split(",")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "channels",
    "accounts",
    "visitors",
    "staff",
    "attendance",
    "parking",
    "tracker",
    "repairs",
    "activity",
    "channelgate",
]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "demo.urls"
ASGI_APPLICATION = "demo.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
MEDIA_URL = "/media/"
MEDIA_ROOT = RUN_DIR / "media"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", RUN_DIR / "db.sqlite3"),
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ.get("CACHE_URL", REDIS_URL),
    }
}

_LAYERS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "numbered": "activity.layer.NumberedLayer",
}
_layer_options = {
    "hosts": REDIS_URL.split(","),
    "prefix": os.environ.get("LAYER_PREFIX", "asgi"),
    "serializer_format": os.environ.get("SERIALIZER", "msgpack"),
    "capacity": int(os.environ.get("LAYER_CAPACITY", "100")),
}
if os.environ.get("LAYER_KEYS"):
    _layer_options["symmetric_encryption_keys"] = os.environ["LAYER_KEYS"].split(",")
CHANNEL_LAYERS = {
    "default": {"BACKEND": _LAYERS[os.environ.get("LAYER", "core")], "CONFIG": _layer_options},
}

# The secret is shared with Channelgate, which signs its calls with it; without it nothing is answered.
CHANNELGATE = {
    "SECRET": os.environ.get("CHANNELGATE_SECRET", ""),
    "DESCRIBE": "accounts.people.describe",
    # As the parking system has them.
    "WS_TOKEN": {"FORM": "jwt"},
}

# The service that has the boards' items (`boards`).
BOARDS_URL = os.environ.get("BOARDS_URL", "")

# Demonstration users only, made by the hundred in tests.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

SIMPLE_JWT = {"TOKEN_OBTAIN_SERIALIZER": "accounts.people.PersonTokenSerializer"}
if os.environ.get("LAYER") == "numbered":
    # So that the demonstration can make tokens expire.
    SIMPLE_JWT["TOKEN_OBTAIN_SERIALIZER"] = "activity.tokens.ObtainSerializer"
    SIMPLE_JWT["TOKEN_REFRESH_SERIALIZER"] = "activity.tokens.RefreshSerializer"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
