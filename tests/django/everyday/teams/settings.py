"""Settings of teams that write posts."""

from base import *  # noqa: F403
from base import DJANGO_APPS

INSTALLED_APPS = [*DJANGO_APPS, "rest_framework", "teams", "channelgate"]
ROOT_URLCONF = "teams.urls"
ASGI_APPLICATION = "teams.asgi.application"
