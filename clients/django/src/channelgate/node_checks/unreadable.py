"""Check of values that no node can use: W010. Django itself may do with them, so it starts."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning

from channelgate.derive import Derived, cache, layer, tokens
from channelgate.node_checks.known import file


def check_values(**_: Any) -> list[CheckMessage]:
    """Whether `manage.py channelgate run` could read the layer, the cache of ws-tokens, and the keys of tokens."""
    found = [one for one in layer.problems() if one.level == "error"]
    if cache.uses_tokens() or file().has_auth("ws_token"):
        found += cache.problems()
    if getattr(settings, "SIMPLE_JWT", None):
        derived = Derived()
        tokens.add_simplejwt(derived)
        found += [one for one in derived.problems if one.level == "error"]
    return [Warning(one.text, hint=one.hint or HINT, id="channelgate.W010") for one in found if one.level != "note"]


HINT = "manage.py channelgate run does not start a node with it."
