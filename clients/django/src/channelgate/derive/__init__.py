"""From Django's settings to the variables of a node's environment. Nothing is copied by hand.

In: `CHANNEL_LAYERS`, `CACHES`, `SECRET_KEY`, `SIMPLE_JWT`, `ALLOWED_HOSTS` and its like, `CHANNELGATE`. Out: `Derived`.
A derived value never makes a node admit more than the project does (docs/decisions/0031-derived-configuration.md).
"""

from channelgate.derive import backend as backends
from channelgate.derive import cache, layer, origins, tokens
from channelgate.derive.values import Derived, Problem, Variable

__all__ = ["Derived", "Problem", "Variable", "derived"]


def derived(*, backend: str | None = None, listen: str | None = None, proxy: bool = False) -> Derived:
    """Everything that a node needs from the settings.

    `backend` is where Django answers nodes, `http://127.0.0.1:8000` by default; `listen` is where the node listens,
    that of `CHANNELGATE["URL"]` by default; with `proxy` it passes what is not its own on to Django.
    """
    found = Derived()
    backends.add(found, backend, listen, proxy)
    layer.add(found)
    cache.add(found)
    tokens.add(found)
    origins.add(found)
    return found
