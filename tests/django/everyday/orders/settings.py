"""Settings of a shop."""

from base import *  # noqa: F403
from base import DJANGO_APPS

INSTALLED_APPS = [*DJANGO_APPS, "orders", "channelgate"]
ROOT_URLCONF = "orders.urls"
ASGI_APPLICATION = "orders.asgi.application"
