"""The site, its static files, and its answers to nodes."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "storefront.settings")
http = get_asgi_application()

from channelgate import bridge  # noqa: E402
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402

application = bridge(ASGIStaticFilesHandler(http))
