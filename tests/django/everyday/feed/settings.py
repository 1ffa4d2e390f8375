"""Settings of the feed of a back office."""

from base import *  # noqa: F403
from base import DJANGO_APPS

INSTALLED_APPS = [*DJANGO_APPS, "feed", "channelgate"]
ROOT_URLCONF = "feed.urls"
ASGI_APPLICATION = "feed.asgi.application"
