"""The two addresses, and who connects: what both handshakes have in common."""

import dataclasses
import re
from urllib.parse import parse_qsl, quote, urlsplit

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
#: What a visitor without any credential is called.
ANONYMOUS = "an anonymous client"
_SECRET = re.compile(r"token|ticket|jwt|key|nonce|secret|auth|session|sig", re.IGNORECASE)
#: A longer value of a query may be a secret, whatever its name.
LONG = 20
_SOCKET_IO = re.compile(r"/socket\.io(?:/|$)")


class WrongAddress(Exception):
    """The text says what is wrong with an option."""


@dataclasses.dataclass(frozen=True, slots=True)
class Visitor:
    """Who connects, and how: the same for both sides."""

    name: str = ANONYMOUS
    headers: tuple[tuple[str, str], ...] = ()
    #: Goes into the query.
    token: str | None = None
    subprotocols: tuple[str, ...] = ()
    origin: str | None = None
    #: Ids that are known before anything arrives.
    ids: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """One side."""

    name: str
    #: `ws://host:port`, without a path.
    base: str
    path: str

    def url(self, visitor: Visitor) -> str:
        """Where its sockets are opened."""
        url = self.base + self.path
        if visitor.token is None:
            return url
        return f"{url}{'&' if '?' in self.path else '?'}token={quote(visitor.token, safe='')}"


def base(option: str, value: str) -> str:
    """The address of a server, from `ws://host:port` or `http://host:port`."""
    parts = urlsplit(value)
    scheme = _SCHEMES.get(parts.scheme)
    try:
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        has_port = False
    if scheme is None or not parts.hostname or not has_port or parts.query or parts.username:
        raise WrongAddress(f"{option} {value}: write the address of a server, such as ws://127.0.0.1:8001")
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def path(value: str) -> str:
    """The path of a consumer."""
    where, _, query = value.partition("?")
    if _SOCKET_IO.search(where) or "EIO=" in query:
        raise WrongAddress(
            f"--path {where}: this is a Socket.IO path. shadow compares plain WebSocket consumers; "
            "Daphne serves no Socket.IO to compare with."
        )
    if not value.startswith("/") or "#" in value:
        raise WrongAddress(f"--path {where}: write the path as the browser opens it, such as /ws/orders/7/")
    return value


def ids_in(value: str) -> tuple[str, ...]:
    """The numbers and names in a path: ids that both sides know."""
    return tuple(word for word in re.split(r"[/?&=]", value) if word)


def secrets_in(value: str) -> list[str]:
    """The values of a path's query that must not be printed."""
    query = value.partition("?")[2]
    return [text for name, text in parse_qsl(query) if _SECRET.search(name) or len(text) >= LONG]
