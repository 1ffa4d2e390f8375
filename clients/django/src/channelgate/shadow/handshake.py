"""Opens one side: what the server answers, and the socket if it accepts."""

import inspect
import ipaddress
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from channelgate.shadow.recorded import Handshake
from channelgate.shadow.target import Target, Visitor

#: Longer than a node waits for a slow Django.
TIMEOUT = 20.0
#: Bytes of a message; the whole recording has no more.
MAX_SIZE = 32 << 20
#: A server in front says that the one behind it does not answer.
AWAY = frozenset({502, 503, 504})
#: websockets 15 uses the proxy of the environment; the versions before do not know the word.
_HAS_PROXY = "proxy" in inspect.signature(connect.__init__).parameters


class Unreachable(Exception):
    """A side did not answer; the text says which and why."""


class _Direct(connect):
    """Without redirects: a redirect is the server's answer."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def open_side(target: Target, visitor: Visitor) -> tuple[Handshake, ClientConnection | None]:
    """One handshake."""
    url = target.url(visitor)
    options: dict[str, Any] = {
        "additional_headers": [pair for pair in visitor.headers if pair[0].lower() != "host"],
        "origin": visitor.origin,
        "subprotocols": list(visitor.subprotocols) or None,
        "open_timeout": TIMEOUT,
        "close_timeout": 2,
        "max_size": MAX_SIZE,
    }
    parts = urlsplit(url)
    if host := host_of(visitor, parts.hostname or ""):
        # The connection goes to the side's own address; its certificate is the one for this name.
        options |= {"host": parts.hostname, "port": parts.port or (443 if parts.scheme == "wss" else 80)}
        url = parts._replace(netloc=host).geturl()
    if _HAS_PROXY and (host or _is_inside(parts.hostname or "")):
        options["proxy"] = None
    began = time.monotonic()
    try:
        connection = await _Direct(url, **options)
    except InvalidStatus as error:
        status = error.response.status_code
        if status in AWAY:
            raise Unreachable(f"{target.name} {target.base} answers {status}") from None
        return Handshake(status, None, time.monotonic() - began), None
    except (InvalidHandshake, InvalidURI) as error:
        if not _is_upgraded(error):
            raise Unreachable(f"{target.name} {target.base} does not speak WebSocket: {error}") from None
        return Handshake(101, None, time.monotonic() - began, str(error)), None
    except TimeoutError:
        raise Unreachable(f"{target.name} {target.base} does not answer within {TIMEOUT:.0f} s") from None
    except ssl.SSLError as error:
        raise Unreachable(f"{target.name} {target.base} has no valid certificate: {error}") from None
    except (OSError, EOFError) as error:
        raise Unreachable(f"{target.name} {target.base} does not answer: {error}") from None
    return Handshake(101, connection.subprotocol, time.monotonic() - began), connection


def _is_upgraded(error: Exception) -> bool:
    """Whether the server has accepted, with headers that a client must refuse."""
    from websockets.exceptions import InvalidHeader, NegotiationError

    return isinstance(error, InvalidHeader | NegotiationError)


def host_of(visitor: Visitor, address: str) -> str | None:
    """The `Host` that a browser sends: of a side inside, it is the page's, which the proxy in front passes on."""
    given = [value for name, value in visitor.headers if name.lower() == "host"]
    if given:
        return given[0]
    return urlsplit(visitor.origin).netloc if visitor.origin and _is_inside(address) else None


def _is_inside(address: str) -> bool:
    """Whether it is an address behind a proxy, not the name of a site."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return address == "localhost" or address.endswith(".localhost") or "." not in address
    return True
