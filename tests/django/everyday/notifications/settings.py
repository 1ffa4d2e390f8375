"""Settings of a site with a bell."""

from base import *  # noqa: F403
from base import DJANGO_APPS

INSTALLED_APPS = [*DJANGO_APPS, "notifications", "channelgate"]
ROOT_URLCONF = "notifications.urls"
ASGI_APPLICATION = "notifications.asgi.application"
