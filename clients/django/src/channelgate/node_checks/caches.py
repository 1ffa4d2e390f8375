"""Checks of the cache that has ws-tokens: W001 and W005."""

from typing import Any

from django.core.checks import CheckMessage, Warning

from channelgate.derive import cache
from channelgate.node_checks.known import RUN, file, has


def check_token_cache(**_: Any) -> list[CheckMessage]:
    """Whether nodes see the tokens that Django makes."""
    name = cache.alias()
    if not (cache.uses_tokens() or file().has_auth("ws_token")):
        return []
    if not cache.kind(name) or cache.is_redis(name):
        return []
    return [Warning(cache.unseen(name), hint=cache.HINT, id="channelgate.W001")]


def check_cache(**_: Any) -> list[CheckMessage]:
    """Whether nodes look under the same keys."""
    name = cache.alias()
    if not cache.is_redis(name):
        return []
    found = cache.prefix(name)
    if found in (None, cache.DEFAULT_PREFIX) or has("CHANNELGATE_CACHE_PREFIX", "cache.prefix", wanted=found):
        return []
    text = f'KEY_PREFIX or VERSION of the cache is "{found}"; set CHANNELGATE_CACHE_PREFIX={found}.'
    return [Warning(text, hint=RUN, id="channelgate.W005")]
