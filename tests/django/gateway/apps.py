from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class GatewayConfig(AppConfig):
    name = "gateway"

    def ready(self):
        # Each app keeps its answers in a module `actions`, as it keeps its admin in `admin`.
        autodiscover_modules("actions")
