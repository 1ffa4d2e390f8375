from django.apps import AppConfig


class ParkingConfig(AppConfig):
    name = "parking"

    def ready(self):
        from parking import signals  # noqa: F401
