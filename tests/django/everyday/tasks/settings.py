"""Settings of a task list with an API."""

from base import *  # noqa: F403
from base import DJANGO_APPS

INSTALLED_APPS = [*DJANGO_APPS, "rest_framework", "tasks", "channelgate"]
ROOT_URLCONF = "tasks.urls"
ASGI_APPLICATION = "tasks.asgi.application"
