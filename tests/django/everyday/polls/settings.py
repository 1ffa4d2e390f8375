"""Settings of polls with htmx."""

from base import *  # noqa: F403
from base import DJANGO_APPS

INSTALLED_APPS = [*DJANGO_APPS, "polls", "channelgate"]
ROOT_URLCONF = "polls.urls"
ASGI_APPLICATION = "polls.asgi.application"
