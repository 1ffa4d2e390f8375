"""A client of the node with the methods of `channels.testing.WebsocketCommunicator`, in async and in sync tests.

In async code each method is awaited; in sync code it returns the value. A real WebSocket is behind it, so what a
browser does not see of a refusal is not here, either.
"""

import asyncio
import collections
import contextlib
import functools
import json
import socket
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

from channelgate.testing.clients import HEADER
from channelgate.testing.node import HOST

if TYPE_CHECKING:
    from channelgate.testing.gate import Gate

#: Seconds that a method waits, if the test says nothing. A test that passes waits for as long as it takes.
PATIENCE = 5.0
#: What a test may set in `scope`.
SCOPE = frozenset({"type", "path", "query_string", "headers", "subprotocols", "user"})


def _in_both(method: Callable[..., Any]) -> Callable[..., Any]:
    """A blocking method that is a coroutine where an event loop runs."""

    @functools.wraps(method)
    def call(*args: Any, **options: Any) -> Any:
        if _loop_runs():
            return asyncio.to_thread(method, *args, **options)
        return method(*args, **options)

    return call


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class WebsocketCommunicator:
    """`WebsocketCommunicator(application, "/ws/orders/7/")`, as Channels has it; the node knows the application."""

    def __init__(
        self,
        application: Any,
        path: str,
        headers: Iterable[tuple[bytes | str, bytes | str]] | None = None,
        subprotocols: Iterable[str] | None = None,
        spec_version: int | None = None,
        *,
        user: Any = None,
        token: str | None = None,
        gate: "Gate | None" = None,
    ) -> None:
        if not isinstance(path, str):
            raise TypeError(f"path is a text, not {type(path).__name__}")
        path, _, query = path.partition("?")
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "path": path,
            "query_string": query.encode(),
            "headers": list(headers or []),
            "subprotocols": list(subprotocols or []),
        }
        if user is not None:
            self.scope["user"] = user
        self.gate = gate
        self.id = uuid.uuid4().hex
        #: Why the handshake was refused: status and text.
        self.refusal: str | None = None
        self._token = token
        self._socket: Any = None
        self._waiting: collections.deque[dict[str, Any]] = collections.deque()
        self._is_over = False
        self._stack = contextlib.ExitStack()

    def __repr__(self) -> str:
        return f"<WebsocketCommunicator {self.scope['path']}>"

    def connect(self, timeout: float = PATIENCE) -> Any:
        """`(True, subprotocol)`, or `(False, status)` of a refused handshake: 403 where a consumer closes first."""
        if _loop_runs():
            return self._aconnect(timeout)
        return self._open(self._handshake(), timeout)

    async def _aconnect(self, timeout: float) -> Any:
        # A session is written into the database, in the thread of the test's other queries.
        handshake = await sync_to_async(self._handshake)()
        return await asyncio.to_thread(self._open, handshake, timeout)

    def _handshake(self) -> dict[str, Any]:
        if unknown := sorted(self.scope.keys() - SCOPE):
            raise TypeError(
                f"scope[{unknown[0]!r}] cannot be given to a real connection: the node and the project's middleware "
                "find it by path, headers and user"
            )
        if self.gate is None:
            from channelgate.testing.gate import current

            self.gate = current()
        request: dict[str, Any] = self.gate.handshake(self, self.scope, self._token)
        return request

    def _open(self, handshake: dict[str, Any], timeout: float) -> tuple[bool, Any]:
        client = _library()
        assert self.gate is not None
        if self._socket is not None:
            raise RuntimeError("This communicator is connected: make another one for another connection")
        host, target = handshake.pop("host"), handshake.pop("target")
        try:
            connecting = client.connect(
                f"ws://{host}{target}",
                sock=socket.create_connection((HOST, self.gate.port), timeout),
                additional_headers=[*handshake.pop("headers"), (HEADER, self.id)],
                open_timeout=timeout,
                compression=None,
                max_size=None,
                user_agent_header=None,
                **handshake,
            )
            self._socket = self._stack.enter_context(connecting)
        except client.InvalidStatus as refused:
            text = (refused.response.body or b"").decode(errors="replace").strip()
            self.refusal = f"{refused.response.status_code} {refused.response.reason_phrase}: {text}".rstrip(": ")
            self._is_over = True
            self.gate.refused(self)
            return False, refused.response.status_code
        except TimeoutError:
            raise asyncio.TimeoutError(f"{self!r}: the handshake took more than {timeout} s") from None
        return True, self._socket.subprotocol

    @_in_both
    def send_to(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Sends a text or a binary frame."""
        if (text_data is None) == (bytes_data is None):
            raise TypeError("send_to() wants one of text_data and bytes_data")
        self._send(text_data if text_data is not None else bytes_data or b"")

    @_in_both
    def send_json_to(self, data: Any) -> None:
        """Sends a value as JSON."""
        self._send(json.dumps(data))

    @_in_both
    def send_input(self, message: dict[str, Any]) -> None:
        """What an ASGI server would hand to the consumer: a message, or the end of the connection."""
        if message["type"] == "websocket.receive":
            self._send(message["bytes"] if message.get("bytes") is not None else message["text"])
        elif message["type"] == "websocket.disconnect":
            self._leave(message.get("code", 1000), PATIENCE)
        else:
            raise TypeError(f"a client cannot send {message['type']}")

    @_in_both
    def receive_output(self, timeout: float = PATIENCE) -> dict[str, Any]:
        """The next frame as `websocket.send`, or `websocket.close` with code and reason."""
        return self._receive(timeout)

    @_in_both
    def receive_from(self, timeout: float = PATIENCE) -> str | bytes:
        """The content of the next frame."""
        return self._frame(timeout)

    @_in_both
    def receive_json_from(self, timeout: float = PATIENCE) -> Any:
        """The next frame, which is JSON."""
        data = self._frame(timeout)
        assert isinstance(data, str), "JSON data is not a text frame"
        return json.loads(data)

    @_in_both
    def receive_nothing(self, timeout: float = 0.1, interval: float = 0.01) -> bool:
        """Whether nothing arrives for this long, after what the node has sent before."""
        if self._waiting:
            return False
        if self._socket is None or self._is_over:
            return True
        # What was sent before the answer to a ping is here after it.
        self._ping()
        try:
            self._waiting.append(self._receive(timeout))
        except asyncio.TimeoutError:
            return True
        return False

    @_in_both
    def disconnect(self, code: int = 1000, timeout: float = PATIENCE) -> None:
        """Closes the connection, and waits until the consumer's `disconnect()` has run."""
        self._leave(code, timeout)

    @_in_both
    def wait(self, timeout: float = PATIENCE) -> None:
        """Waits until the connection is closed by the other side."""
        while not self._is_over:
            self._receive(timeout)
        self._parted(timeout)

    @_in_both
    def stop(self, exceptions: bool = True) -> None:
        """Ends the connection without a word, as a network does that is gone."""
        if self._socket is not None:
            self._socket.socket.close()
            self._is_over = True

    def end(self) -> None:
        """Disconnects at the end of a test, if the test did not."""
        if not self._is_over:
            self._leave(1000, PATIENCE)
        elif self.gate is not None:
            self.gate.parted(self)

    def _connected(self) -> Any:
        if self._socket is None:
            refused = f": the handshake was refused with {self.refusal}" if self.refusal else ""
            raise RuntimeError(f"{self!r} is not connected{refused}")
        return self._socket

    def _send(self, data: str | bytes) -> None:
        self._connected().send(data)

    def _receive(self, timeout: float) -> dict[str, Any]:
        if self._waiting:
            return self._waiting.popleft()
        if self._is_over:
            self._connected()
            raise RuntimeError(f"{self!r} is closed")
        try:
            data = self._connected().recv(timeout=timeout)
        except TimeoutError:
            raise asyncio.TimeoutError(f"{self!r} received nothing for {timeout} s") from None
        except _library().ConnectionClosed as closed:
            self._is_over = True
            frame = closed.rcvd
            code, reason = (1006, "") if frame is None else (int(frame.code), frame.reason)
            return {"type": "websocket.close", "code": code, "reason": reason}
        return {"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data}

    def _frame(self, timeout: float) -> str | bytes:
        output = self._receive(timeout)
        if output["type"] == "websocket.close":
            said = f"{output['code']} {output['reason']}".strip()
            why = "; the consumer failed, see the log" if output["code"] == 1011 else ""
            raise AssertionError(f"Expected a frame, but {self!r} was closed with {said}{why}")
        frame: str | bytes = output["text"] if "text" in output else output["bytes"]
        return frame

    def _ping(self) -> None:
        with_answer = self._connected()
        try:
            with_answer.ping().wait(PATIENCE)
        except _library().ConnectionClosed:
            return

    def _leave(self, code: int, timeout: float) -> None:
        if self._socket is None:
            return
        self._is_over = True
        self._socket.close_timeout = timeout
        self._socket.close(code)
        self._stack.close()
        self._parted(timeout)

    def _parted(self, timeout: float) -> None:
        assert self.gate is not None
        self.gate.parted(self, timeout)


@functools.lru_cache(maxsize=1)
def _library() -> Any:
    """The WebSocket client."""
    try:
        from websockets.sync import client
    except ImportError as error:
        raise ImportError(
            'The clients of the tests need the package websockets: pip install "channelgate[testing]"'
        ) from error
    import types

    from websockets.exceptions import ConnectionClosed, InvalidStatus

    return types.SimpleNamespace(connect=client.connect, ConnectionClosed=ConnectionClosed, InvalidStatus=InvalidStatus)
