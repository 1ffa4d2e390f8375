"""`BRIDGE["REPLAY_CACHE"]`: a captured request is not carried out a second time.

The signature holds for 300 s and Python keeps nothing of a connection, so a cache remembers each connection's calls. A
disconnect may come four times, because the node sends it again when the answer was lost.
"""

from channelgate.bridge.refusals import Refused
from channelgate.bridge.request import Item
from channelgate.signature import TOLERANCE

#: The node's tries of a disconnect.
DISCONNECTS = 4


async def check(alias: str, item: Item) -> None:
    """Refuses a call that was made before."""
    from django.core.cache import caches

    cache = caches[alias]
    key = f"channelgate:call:{item.connection[:100]}:{item.seq}"
    if await cache.aadd(key, 1, 2 * TOLERANCE):
        return
    if item.kind == "websocket.disconnect":
        for number in range(1, DISCONNECTS):
            if await cache.aadd(f"{key}:{number}", 1, 2 * TOLERANCE):
                return
    raise Refused("replay", f"call {item.seq} of this connection was made before")
