from django.apps import AppConfig


class NotifyConfig(AppConfig):
    name = "corpus.notify"

    def ready(self):
        from . import signals  # noqa: F401
