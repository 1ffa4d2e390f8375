"""What a call leaves behind: nothing that Python's collector would have to find."""

import asyncio
import gc
import types

from harness import node
from harness.signed import post
from harness.truth import CHANNEL
from project.asgi import application
from project.consumers import Slow

from channelgate.bridge import serve
from channelgate.bridge.call import Call
from channelgate.bridge.request import Item

KINDS = (Call, Item, serve.Watch, serve.Body, serve.reply.Lines)
DOOR = "/channelgate/channels"


async def one_connection(path, texts):
    go = Slow.GO["c"] = asyncio.Event()
    # Longer than the watch takes to begin.
    asyncio.get_running_loop().call_later(0.1, go.set)
    call = {"v": 1, "connection": "c", "seq": 0, "channel_name": CHANNEL, "consumer": "c", "state": None}
    event = {"type": "websocket.connect"}
    answer = await post(application, DOOR, {**call, "scope": node.handshake_of(path), "event": event})
    for seq, text in enumerate(texts, 1):
        event = {"type": "websocket.receive", "text": text}
        answer = await post(application, DOOR, {**call, "seq": seq, "state": answer.lines[-1]["state"], "event": event})
    assert answer.lines[-1]["end"] == "open"


def left():
    """What the collector would find, of the package."""
    gc.collect()
    found = [value for value in gc.garbage if isinstance(value, (*KINDS, types.CoroutineType))]
    gc.garbage.clear()
    return [type(value).__name__ for value in found]


async def test_a_call_leaves_nothing_for_the_collector(layer, monkeypatch):
    # A call that waits is watched at once.
    monkeypatch.setattr(serve, "WATCH_AFTER", 0.01)
    for path, texts in (("/empty/", ["a", "b"]), ("/slow-message/c/", ["0", "0"])):
        await one_connection(path, texts)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await one_connection(path, texts)
            assert left() == [], path
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
