"""Engine.IO by hand, for data that no client sends."""

import asyncio
import contextlib
import json

from .client import DEADLINE
from .http import Http, Reply
from .raw import BINARY, CLOSE, PING, TEXT, Raw

BASE = "/socket.io/?EIO=4&transport="
#: Separates the packets of a polling payload.
SEPARATOR = b"\x1e"


class Polling:
    """A polling session."""

    def __init__(self, port: int, handshake: dict):
        self.web = Http(port)
        self.handshake = handshake
        self.sid: str = handshake["sid"]

    @classmethod
    async def open(cls, port: int) -> "Polling":
        reply = await Http(port).get(f"{BASE}polling")
        assert reply.status == 200 and reply.body.startswith(b"0"), reply
        return cls(port, json.loads(reply.body[1:]))

    async def post(self, body: bytes, sid: str | None = None) -> Reply:
        return await self.web.post(f"{BASE}polling&sid={sid or self.sid}", body=body)

    async def get(self, sid: str | None = None) -> Reply:
        return await self.web.get(f"{BASE}polling&sid={sid or self.sid}")

    async def join(self) -> None:
        """Connects to the main namespace."""
        assert (await self.post(b"40")).status == 200
        packets = b""
        while b"40{" not in packets:
            reply = await self.get()
            assert reply.status == 200, reply
            packets += reply.body


async def open_socket(port: int, join: bool = True) -> Raw:
    """A WebSocket with its open packet read, in the main namespace or not yet."""
    raw = await Raw.open(port, f"{BASE}websocket")
    opcode, payload = await raw.read()
    assert opcode == TEXT and payload.startswith(b"0{"), payload
    if join:
        await raw.frame(TEXT, b"40")
        opcode, payload = await raw.read()
        while payload == b"2":
            # A ping that is due comes first.
            await raw.frame(TEXT, b"3")
            opcode, payload = await raw.read()
        assert payload.startswith(b"40{"), payload
    return raw


async def end_of(raw: Raw, deadline: float = DEADLINE) -> str | None:
    """How it ends: "close" by a Close frame, "cut" without one; None if it still answers WebSocket pings."""
    with contextlib.suppress(ConnectionError):
        await raw.frame(PING, b"still?")
    try:
        async with asyncio.timeout(deadline):
            while True:
                opcode, payload = await raw.read(deadline)
                if opcode == CLOSE:
                    return "close"
                if opcode not in (TEXT, BINARY) and payload == b"still?":
                    return None
    except (asyncio.IncompleteReadError, ConnectionError):
        return "cut"
