"""Settings; secrets and addresses are from the environment."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[3]
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channelgate",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "storefront.policy.middleware",
]
ROOT_URLCONF = "storefront.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(os.environ["RUN_DIR"]) / "storefront.sqlite3"}
}
# A cache that every process of the site would share holds the state of the orders.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": Path(os.environ["RUN_DIR"]) / "cache",
    }
}
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
STATIC_URL = "/static/"
MODULES = ROOT / "tests" / "browser" / "node_modules"
STATICFILES_DIRS = [("htmx2", MODULES / "htmx.org" / "dist"), ("htmx4", MODULES / "htmx4" / "dist")]
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
    }
}
CHANNELGATE = {"SECRET": os.environ["CHANNELGATE_BACKEND_SECRET"]}
