"""The settings of the scripts: a project without a database, and the layer of the environment."""

import os

import django
from django.conf import settings


def set_up(**channelgate):
    settings.configure(
        SECRET_KEY="only for the tests of the package",
        INSTALLED_APPS=["channels", "channelgate"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        CHANNEL_LAYERS={
            "default": {
                "BACKEND": os.environ["PUBLISHING_LAYER"],
                "CONFIG": {"hosts": [os.environ["PUBLISHING_REDIS"]], "capacity": 1000},
            }
        },
        CHANNELGATE={"PUBLISH": {"ON_ERROR": "raise", "TIMEOUT": 30}, **channelgate},
    )
    django.setup()
