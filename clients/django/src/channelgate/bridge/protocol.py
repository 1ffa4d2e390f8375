"""What an application may send over a socket, and the command that it becomes: Daphne's rules and Daphne's errors.

Beyond Daphne, `accept` carries headers, `close` a reason, and `websocket.http.response` denies a handshake, as ASGI has
them.
"""

import base64
from collections.abc import Mapping
from typing import Any

CONNECTING = 0
OPEN = 1
#: The handshake was refused, or the client is gone: everything is dropped, whatever it is.
CLOSED = 2
#: The headers of a denial were sent, its body follows.
DENYING = 3
#: A close frame was sent just now: frames raise.
CLOSING = 4

Command = dict[str, Any]

try:
    from autobahn.exception import Disconnected
except ImportError:  # without Daphne

    class Disconnected(RuntimeError):  # type: ignore[no-redef]
        """What Daphne raises for a frame after the close frame."""


def command_of(message: Mapping[str, Any], status: int, may_deny: bool) -> tuple[Command | None, int]:
    """The command for an ASGI message, and the connection's status after it."""
    kind = message["type"]
    if status == CLOSED:
        return None, status
    if kind == "websocket.send":
        return _frame(message, status), status
    if kind == "websocket.accept":
        return _accept(message, status)
    if kind == "websocket.close":
        return _close(message, status)
    if kind == "websocket.http.response.start" and may_deny and status == CONNECTING:
        headers = [[_latin(name), _latin(value)] for name, value in message.get("headers", ())]
        return {"do": "deny", "status": _status(message["status"]), "headers": headers}, DENYING
    if kind == "websocket.http.response.body" and may_deny and status == DENYING:
        body = message.get("body", b"")
        after = DENYING if message.get("more_body") else CLOSED
        return ({"do": "deny_body", "bytes": _base64(body)} if body else None), after
    # Daphne ignores what it does not know.
    return None, status


def _frame(message: Mapping[str, Any], status: int) -> Command | None:
    if status == CONNECTING:
        raise ValueError("Socket has not been accepted, so cannot send over it")
    text, data = message.get("text"), message.get("bytes")
    if text and data:
        raise ValueError(f"Got invalid WebSocket reply message on {message} - contains both bytes and text keys")
    if status == CLOSING and (text or data):
        raise Disconnected("Attempt to send on a closed protocol")
    if data:
        return {"do": "send", "bytes": _base64(data)}
    if text:
        if not isinstance(text, str):
            raise AttributeError(f"{type(text).__name__!r} object has no attribute 'encode'")
        # A lone surrogate is an error of the handler, as with Daphne, and not of the reply.
        text.encode("utf-8")
        return {"do": "send", "text": str.__str__(text)}
    # Daphne sends no frame for an empty message.
    return None


def _accept(message: Mapping[str, Any], status: int) -> tuple[Command | None, int]:
    if status != CONNECTING:
        raise AttributeError("'WebSocketProtocol' object has no attribute 'handshake_deferred'")
    command: Command = {"do": "accept"}
    if message.get("subprotocol") is not None:
        command["subprotocol"] = str(message["subprotocol"])
    if message.get("headers"):
        command["headers"] = [[_latin(name), _latin(value)] for name, value in message["headers"]]
    return command, OPEN


def _close(message: Mapping[str, Any], status: int) -> tuple[Command | None, int]:
    code = message.get("code")
    if status == CONNECTING:
        # The code is lost, as with every server: a refused handshake is HTTP 403.
        return {"do": "close", "code": code if type(code) is int and 1000 <= code <= 4999 else 1000}, CLOSED
    code = 1000 if code is None else code
    if type(code) is not int:
        raise Exception(f"invalid type '{type(code)}' for close code (must be an integer)")
    if code != 1000 and not 3000 <= code <= 4999:
        raise Exception(f"invalid close code {code} (must be 1000 or from [3000, 4999])")
    if status != OPEN:
        return None, status
    command: Command = {"do": "close", "code": code}
    if message.get("reason"):
        command["reason"] = str(message["reason"])
    return command, CLOSING


def _status(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise ValueError(f"invalid status {value!r} of a response")
    return int(value)


def _base64(data: Any) -> str:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"bytes are wanted, not {type(data).__name__!r}")
    return base64.b64encode(data).decode("ascii")


def _latin(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes | bytearray) else str(value)
