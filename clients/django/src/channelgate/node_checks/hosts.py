"""Check of the hosts whose pages may open sockets: W006."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning

from channelgate.node_checks.known import has


def check_hosts(**_: Any) -> list[CheckMessage]:
    """Whether the project names its hosts."""
    if "*" not in settings.ALLOWED_HOSTS or has("CHANNELGATE_ALLOWED_ORIGINS", "server.allowed_origins"):
        return []
    return [
        Warning(
            'ALLOWED_HOSTS is ["*"]: every site\'s pages may open sockets. Name the hosts, or '
            "CHANNELGATE_ALLOWED_ORIGINS.",
            hint="Consumers under Daphne that use AllowedHostsOriginValidator admit any page. A node that "
            "manage.py channelgate run starts admits pages of its own host only, until a list names others.",
            id="channelgate.W006",
        )
    ]
