"""Servers that send more than can be compared, and frames that take a reader's time or stack."""

import asyncio
import time

import pytest
from websockets.asyncio.server import serve

from channelgate.shadow import handshake, record, values
from channelgate.shadow.run import Shadow, run
from channelgate.shadow.target import Target, Visitor
from channelgate.shadow.values import Text


async def recorded(handler):
    """The same server on both sides."""
    async with serve(handler, "127.0.0.1", 0, max_size=None) as server:
        base = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        left, right = (Target(name, base, "/") for name in ("left", "right"))
        return await run(Shadow(left, right, Visitor(), quiet=0.1), [], 5.0, 0.1, asyncio.Event())


async def many(socket):
    for _ in range(2_000):
        await socket.send("1")
    await socket.wait_closed()


async def large(socket):
    await socket.send("x" * 70_000)
    await socket.wait_closed()


@pytest.mark.parametrize("handler", [many, large])
def test_a_side_that_sends_too_much_ends_the_run_with_its_name(handler, monkeypatch):
    monkeypatch.setattr(record, "MOST_FRAMES", 1_000)
    monkeypatch.setattr(handshake, "MAX_SIZE", 65_536)
    with pytest.raises(record.TooMuch, match=r"^left ws://127.0.0.1:\d+ sends more than 1000 messages, or 32 MB"):
        asyncio.run(recorded(handler))


def test_many_small_frames_have_the_same_limit_together(monkeypatch):
    monkeypatch.setattr(record, "MOST_SIZE", 1_500)
    with pytest.raises(record.TooMuch):
        asyncio.run(recorded(many))


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 900 + "]" * 900, '{"a":NaN}', "[-Infinity]"])
def test_what_no_page_takes_for_json_is_compared_as_text(text):
    assert values.decode(text, ()) == Text(text)
    assert values.find_key(values.decode(text, ()), True) and not values.differences(Text(text), Text(text), 1.0)


def test_the_time_for_a_long_word_does_not_grow_with_its_square():
    began = time.process_time()
    for word in ("x" * 200_000, "specific" * 3_000):
        assert values.find_key(word, True) == f'"{word}"'
    assert time.process_time() - began < 2
    assert values.find_key("specific.abc!def", False) == '"<channel>"'
