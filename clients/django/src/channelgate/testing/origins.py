"""The host of the pages that the clients of a test come from: one that the project admits."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.module_loading import import_string

#: The host of Django's test client, which `ALLOWED_HOSTS` has in tests.
TESTSERVER = "testserver"
#: Where applications of Channels and of projects keep what they wrap.
INNER = ("application", "inner", "app")


def host() -> str:
    """The first host of the project's origin validator, or of `ALLOWED_HOSTS`."""
    allowed = _validated(_application())
    if allowed is None:
        allowed = [one for one in settings.ALLOWED_HOSTS if one != TESTSERVER]
    if TESTSERVER in allowed or "*" in allowed:
        return TESTSERVER
    named = [_host(one) for one in allowed]
    return next((one for one in named if one), TESTSERVER)


def _application() -> Any:
    dotted = getattr(settings, "ASGI_APPLICATION", None)
    return import_string(dotted) if dotted else None


def _validated(application: Any) -> list[str] | None:
    """What `AllowedHostsOriginValidator` admits: it has read the setting when the project was imported."""
    for _ in range(20):
        if application is None:
            return None
        allowed = getattr(application, "allowed_origins", None)
        if isinstance(allowed, list | tuple):
            return [one for one in allowed if isinstance(one, str)]
        mapping = getattr(application, "application_mapping", None)
        if isinstance(mapping, dict):
            application = mapping.get("websocket")
        else:
            application = next((found for name in INNER if (found := getattr(application, name, None))), None)
    return None


def _host(allowed: str) -> str:
    """A host that an entry of `ALLOWED_HOSTS`, or an origin, admits."""
    name = urlsplit(allowed).netloc if "://" in allowed else allowed
    return name.removeprefix("*").removeprefix(".")
