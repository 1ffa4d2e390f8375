"""A WebSocket client by hand, for bytes that no library sends."""

import asyncio
import base64
import contextlib
import os
import socket
import struct

import stack

from .client import DEADLINE
from .deadline import in_time

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


class Raw:
    """A TCP connection, and RFC 6455 framing without any checks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader = reader
        self.writer = writer

    @classmethod
    async def tcp(cls, port: int, **options) -> "Raw":
        return cls(*await asyncio.open_connection(stack.LOOPBACK, port, **options))

    @classmethod
    async def stalled(cls, port: int, path: str) -> "Raw":
        """A WebSocket whose client reads only on request, with almost no buffer until then."""
        raw = cls(*await asyncio.open_connection(sock=await narrow(port), limit=2**10))
        await raw.shake(port, path)
        return raw

    @classmethod
    async def open(cls, port: int, path: str, **options) -> "Raw":
        """Connects and completes the handshake."""
        raw = await cls.tcp(port, **options)
        await raw.shake(port, path)
        return raw

    async def shake(self, port: int, path: str) -> None:
        """Upgrades it to a WebSocket."""
        await self.write(request(port, path))
        status, _ = await self.head()
        assert status == 101, status

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, deadline: float = DEADLINE) -> tuple[int, dict[str, str]]:
        """Reads the head of an HTTP response."""
        text = (await in_time(deadline, self.reader.readuntil(b"\r\n\r\n"))).decode("latin-1")
        first, *lines = text.strip().split("\r\n")
        headers = (line.split(": ", 1) for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value for name, value in headers}

    async def frame(
        self, opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True, rsv: int = 0
    ) -> None:
        """Writes one frame."""
        await self.write(encode(opcode, payload, fin=fin, mask=mask, rsv=rsv))

    async def read(self, deadline: float = DEADLINE) -> tuple[int, bytes]:
        """Reads one frame: opcode and payload."""
        async with asyncio.timeout(deadline):
            first, second = await self.reader.readexactly(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(length)

    async def close_code(self, deadline: float = DEADLINE) -> int | None:
        """Reads up to a Close frame and returns its code; None if the connection ends without one. The deadline is for
        all of it.
        """
        try:
            async with asyncio.timeout(deadline):
                while True:
                    opcode, payload = await self.read(deadline)
                    if opcode == CLOSE:
                        return struct.unpack("!H", payload[:2])[0] if payload else 1005
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def ended(self, deadline: float = DEADLINE) -> None:
        """Waits until the other side has closed the connection."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(deadline):
                while await self.reader.read(65536):
                    pass

    def abort(self) -> None:
        self.writer.transport.abort()


async def narrow(port: int) -> socket.socket:
    """A TCP connection with a receive buffer of a few kilobytes."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (stack.LOOPBACK, port))
    return sock


def request(port: int, path: str, **headers: str) -> bytes:
    """A handshake."""
    lines = {
        "Host": f"{stack.LOOPBACK}:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return "\r\n".join([f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in lines.items()), "", ""]).encode()


def encode(opcode: int, payload: bytes, *, fin: bool = True, mask: bool = True, rsv: int = 0) -> bytes:
    head = bytes([(0x80 if fin else 0) | (rsv << 4) | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
