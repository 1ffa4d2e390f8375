"""Settings of rooms that show who is there."""

from base import *  # noqa: F403
from base import DJANGO_APPS

INSTALLED_APPS = [*DJANGO_APPS, "rest_framework", "presence", "channelgate"]
ROOT_URLCONF = "presence.urls"
ASGI_APPLICATION = "presence.asgi.application"
