"""The app: wraps consumers and layers, and finds the actions, once the project's apps are loaded."""

import contextlib

from django.apps import AppConfig, apps
from django.utils.module_loading import autodiscover_modules


class ChannelgateConfig(AppConfig):  # type: ignore[misc]
    """`INSTALLED_APPS = ["channelgate"]`."""

    name = "channelgate"
    label = "channelgate"
    verbose_name = "Channelgate"

    def ready(self) -> None:
        """Raises for no value of a setting: the system checks run after it, and each wrong value is one of them."""
        # They register the system checks, and the action of the package.
        from channelgate import checks, node_checks, who  # noqa: F401
        from channelgate.bridge.hooks import install
        from channelgate.conf import actions_module

        # Actions need Django only.
        with contextlib.suppress(ModuleNotFoundError):
            import channels  # noqa: F401

            install()
        autodiscover_modules(actions_module())
        if apps.is_installed("django.contrib.auth"):
            from django.contrib.auth.signals import user_logged_out

            from channelgate.orders import logged_out

            user_logged_out.connect(logged_out, dispatch_uid="channelgate")
