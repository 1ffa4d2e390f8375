"""HTTP and handshakes of WebSockets, by the standard library: what a server answers, within seconds."""

import base64
import contextlib
import dataclasses
import http.client
import json
import secrets
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

#: Seconds for an answer, and bytes of it that are read.
TIMEOUT = 4.0
LIMIT = 1 << 20
#: Seconds in which a server that accepts a client only to refuse it has closed.
CLOSES = 0.5


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or a handshake that succeeded (101)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    #: The code with which a server closes what it has just accepted, if it was waited for.
    close: int | None = None

    def json(self) -> Any:
        """The body, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def detail(self) -> str:
        """What a node writes about a refusal; empty if this is not a node's answer."""
        body = self.json()
        found = body.get("detail", body.get("message", "")) if isinstance(body, dict) else ""
        return found if isinstance(found, str) else ""

    @property
    def reason(self) -> str:
        """The detail, else the status in words."""
        if self.close is not None:
            return f"closed with {self.close}"
        return self.detail or f"{self.status} {http.client.responses.get(self.status, '')}".strip()


class NoAnswer(Exception):
    """The server could not be asked; the text says why, in few words."""


def ask(
    url: str,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = TIMEOUT,
) -> Answer:
    """One request."""
    with _connection(url, timeout) as connection:
        return _exchange(connection, method, path, dict(headers or {}), body)


def handshake(
    url: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    host: str | None = None,
    timeout: float = TIMEOUT,
    waits: bool = False,
) -> Answer:
    """Asks for a WebSocket, and leaves at once if it is granted; `waits` for a close that follows at once."""
    asked = {**(headers or {}), **_upgrade()}
    if host is not None:
        asked["Host"] = host
    with _connection(url, timeout) as connection:
        return _exchange(connection, "GET", path, asked, None, waits)


def stream(url: str, path: str, headers: Mapping[str, str], timeout: float) -> contextlib.AbstractContextManager[Any]:
    """The response of a request whose body does not end, such as `/api/tail`."""
    return _stream(url, path, headers, timeout)


@contextlib.contextmanager
def _stream(url: str, path: str, headers: Mapping[str, str], timeout: float) -> Iterator[Any]:
    with _connection(url, timeout) as connection:
        with _reported():
            connection.request("GET", path, headers=dict(headers))
            response = connection.getresponse()
        yield response


def _upgrade() -> dict[str, str]:
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
    }


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes | None,
    waits: bool = False,
) -> Answer:
    with _reported():
        connection.request(method, path, body=body, headers=headers)
        # Of 101 the response keeps what follows; the connection itself forgets its socket.
        wire = connection.sock
        response = connection.getresponse()
        # After 101 nothing ends; http.client would wait for it.
        content = b"" if response.status == 101 else response.read(LIMIT)
        close = _close_code(response, wire) if waits and response.status == 101 else None
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content, close)


def _close_code(response: http.client.HTTPResponse, wire: socket.socket | None) -> int | None:
    """The code, if the first frame is a close that comes at once (RFC 6455, section 5.5.1)."""
    if wire is None:
        return None
    wire.settimeout(CLOSES)
    try:
        head = response.fp.read(2)
        if len(head) == 2 and head[0] & 0x0F == 8 and head[1] >= 2:
            return int.from_bytes(response.fp.read(2), "big")
    except OSError:
        # Nothing comes: the connection is open.
        pass
    return None


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """Failures of the network as `NoAnswer`."""
    try:
        yield
    except TimeoutError:
        raise NoAnswer("no answer in time") from None
    except ssl.SSLError as error:
        raise NoAnswer(f"TLS: {getattr(error, 'verify_message', '') or error.reason or error}") from None
    except socket.gaierror as error:
        raise NoAnswer(f"its name is not known: {error.strerror}") from None
    except OSError as error:
        raise NoAnswer(error.strerror or str(error)) from None
    except http.client.HTTPException as error:
        raise NoAnswer(f"not an answer of HTTP: {type(error).__name__}") from None
    except ValueError:
        # Its text quotes the header, and with it the API key.
        raise NoAnswer("the API key, or another value, has a character that a header cannot have") from None


class _UnixConnection(http.client.HTTPConnection):
    """A connection to the unix socket of a node."""

    def __init__(self, path: str, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


@contextlib.contextmanager
def _connection(url: str, timeout: float) -> Iterator[http.client.HTTPConnection]:
    connection = _made(url, timeout)
    try:
        yield connection
    finally:
        connection.close()


def _made(url: str, timeout: float) -> http.client.HTTPConnection:
    if url.startswith("unix:"):
        return _UnixConnection(url.removeprefix("unix:").removeprefix("//"), timeout)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise NoAnswer(f"{url} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https", "ws", "wss") or not host:
        raise NoAnswer(f"{url} is not a URL: write http://host:port")
    if parts.scheme in ("https", "wss"):
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=timeout)
