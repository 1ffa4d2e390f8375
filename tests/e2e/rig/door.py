"""Handshakes one by one: with their address, headers and result."""

import asyncio
import contextlib
import dataclasses
import json

from .engine import BASE
from .raw import TEXT, Raw, request


@dataclasses.dataclass
class Knock:
    """The answer to a handshake; the socket is open if it was accepted."""

    raw: Raw
    status: int
    headers: dict[str, str]
    body: dict

    @property
    def retry_after(self) -> int:
        return int(self.headers["retry-after"])

    def close(self) -> None:
        self.raw.writer.close()


async def knock(
    port: int, path: str, source: str = "127.0.0.1", token: str | None = None, first: bytes = b"", **headers: str
) -> Knock:
    """One handshake from an address of loopback, behind `first`; underscores in the names of headers are hyphens."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    raw = await Raw.tcp(port, local_addr=(source, 0))
    await raw.write(first + request(port, path, **headers))
    status, found = await raw.head(30)
    body = {}
    if status != 101:
        content = await raw.reader.readexactly(int(found.get("content-length", 0)))
        with contextlib.suppress(ValueError):
            body = json.loads(content)
        raw.writer.close()
    return Knock(raw, status, found, body)


async def fill(port: int, path: str, most: int = 100, nodes: int = 1, **options) -> tuple[list[Knock], Knock]:
    """Connects until one is refused: returns the accepted ones, and the refusal.

    Behind nginx a full node may be asked before the others are full: then until all of them must have refused.
    """
    let_in, refused = [], 0
    for _ in range(most):
        answer = await knock(port, path, **options)
        if answer.status == 101:
            let_in.append(answer)
            refused = 0
            continue
        refused += 1
        if nodes == 1 or refused == 3 * nodes:
            return let_in, answer
    raise AssertionError(f"{most} were accepted")


async def connect(port: int, token: str | None = None, namespace: str = "/", raw: Raw | None = None, **options):
    """A Socket.IO client by WebSocket: its socket, and the answer to its CONNECT."""
    if raw is None:
        raw = (await knock(port, f"{BASE}websocket", **options)).raw
        assert (await raw.read())[1].startswith(b"0{")
    where = "" if namespace == "/" else f"{namespace},"
    auth = json.dumps({"token": token}) if token else ""
    await raw.frame(TEXT, f"40{where}{auth}".encode())
    return raw, (await raw.read())[1].decode().replace(where, "", 1)


async def stay(port: int, path: str, deadline: float, **options) -> Knock:
    """Connects until it is accepted, and stays."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while (answer := await knock(port, path, **options)).status != 101:
        took = loop.time() - began
        assert took < deadline, f"still {answer.status} {answer.body} after {took:.1f} s"
        await asyncio.sleep(0.05)
    return answer


async def get_in(port: int, path: str, deadline: float, **options) -> float:
    """Connects until it is accepted, and leaves; returns how long that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await stay(port, path, deadline, **options)
    took = loop.time() - began
    answer.close()
    return took
