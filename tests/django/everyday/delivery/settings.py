"""Settings of parcels on a map."""

from base import *  # noqa: F403
from base import DJANGO_APPS

INSTALLED_APPS = [*DJANGO_APPS, "delivery", "channelgate"]
ROOT_URLCONF = "delivery.urls"
ASGI_APPLICATION = "delivery.asgi.application"
