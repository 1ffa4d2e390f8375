"""Settings of the process that serves all of them; `BRIDGE=1` answers nodes."""

import os

from base import *  # noqa: F403
from base import DJANGO_APPS

from . import NAMES

BRIDGE = os.environ.get("BRIDGE") == "1"
INSTALLED_APPS = [*DJANGO_APPS, "rest_framework", *NAMES, "channelgate"]
ROOT_URLCONF = "together.urls"
ASGI_APPLICATION = "together.asgi.application"
