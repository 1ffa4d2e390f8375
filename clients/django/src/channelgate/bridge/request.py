"""A request of the node, read and checked: one call, or a batch of them."""

import base64
import contextlib
import dataclasses
import functools
import json
from typing import Any

from channelgate.bridge.refusals import Refused
from channelgate.bridge.values import unwire

VERSION = 1
BATCH = 64
#: Handshakes whose scope is remembered, for the next call of the connection, and how long their text may be.
KEPT = 512
KEPT_SIZE = 2048
#: The connections that may share a call.
PER = ("event", "room", "user")

Scope = dict[str, Any]


class Malformed(Exception):
    """The body is not a call: 400."""


@dataclasses.dataclass(slots=True)
class Item:
    """One event of one connection."""

    connection: str
    seq: int
    channel_name: str
    consumer: str
    #: As the node describes the handshake; later calls have it in the state.
    handshake: dict[str, Any] | None
    state: str | None
    event: dict[str, Any]
    #: The event's type; empty if what came from the layer has none.
    kind: str
    export: tuple[str, ...]
    #: Who shares the call: `event`, `room` or `user`; empty if it is for one connection.
    per: str = ""

    @property
    def is_connect(self) -> bool:
        """Whether it is of the node; what comes from the layer may have any type."""
        return self.handshake is not None


def read(body: bytes) -> tuple[list[Item], bool]:
    """The calls of a request, and whether they are a batch."""
    try:
        data = json.loads(body.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise Malformed("The body is not JSON") from None
    if not isinstance(data, dict):
        raise Malformed("The body is not an object")
    version = data.get("v")
    if version != VERSION or isinstance(version, bool):
        raise Refused(
            "version",
            f"this package speaks version {VERSION} of the bridge, the node version {version}:"
            " install the same release of both",
        )
    batch = data.get("batch")
    if batch is None:
        return [_item(data)], False
    if not isinstance(batch, list) or not 1 <= len(batch) <= BATCH:
        raise Malformed(f"batch has 1 to {BATCH} calls")
    return [_item(one) for one in batch], True


def _item(data: Any) -> Item:
    if not isinstance(data, dict):
        raise Malformed("a call is an object")
    event = data.get("event")
    seq = data.get("seq")
    if isinstance(seq, bool) or not isinstance(seq, int) or seq < 0:
        raise Malformed("seq is a number")
    if not isinstance(event, dict):
        raise Malformed("event is an object with a type")
    kind = event.get("type")
    if seq == 0 and not isinstance(kind, str):
        raise Malformed("event is an object with a type")
    state, export = data.get("state"), data.get("export") or ()
    if state is not None and not isinstance(state, str):
        raise Malformed("state is a text or null")
    if not isinstance(export, list | tuple) or not all(isinstance(path, str) for path in export):
        raise Malformed("export is a list of texts")
    handshake = data.get("scope")
    if handshake is not None:
        _check_handshake(handshake)
        if kind != "websocket.connect":
            raise Malformed("a scope belongs to a connect")
    elif seq == 0 and kind == "websocket.connect":
        raise Malformed("a connect has a scope")
    return Item(
        connection=_text(data, "connection"),
        seq=seq,
        channel_name=_text(data, "channel_name"),
        consumer=data["consumer"] if isinstance(data.get("consumer"), str) else "",
        handshake=handshake,
        state=state,
        event=_event(event),
        kind=kind if isinstance(kind, str) else "",
        export=tuple(export),
        per=_per(data),
    )


def _per(data: dict[str, Any]) -> str:
    per = data.get("per")
    if per is None:
        return ""
    if per not in PER:
        raise Malformed(f"per is one of {', '.join(PER)}")
    return str(per)


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise Malformed(f"{key} is a text")
    return value


def _event(event: dict[str, Any]) -> dict[str, Any]:
    """The event as an ASGI server or the layer hands it over."""
    # Anybody may send anything to a group: Channels itself says what is wrong with an event without a type.
    kind = event.get("type")
    if kind == "websocket.receive":
        if isinstance(event.get("text"), str):
            return {"type": kind, "text": event["text"]}
        # Of the layer, if it is not what a node makes of a client's.
        with contextlib.suppress(KeyError, TypeError, ValueError):
            return {"type": kind, "bytes": base64.b64decode(event["bytes"], validate=True)}
    if kind == "websocket.disconnect":
        code = event.get("code")
        if isinstance(code, int) and not isinstance(code, bool):
            return {"type": kind, "code": code, "reason": str(event.get("reason") or "")}
    out: dict[str, Any] = unwire(event)
    return out


def _check_handshake(handshake: Any) -> None:
    if not isinstance(handshake, dict) or not isinstance(handshake.get("path"), str):
        raise Malformed("scope is an object with a path")
    headers = handshake.get("headers", [])
    if not isinstance(headers, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], str)
        for pair in headers
    ):
        raise Malformed("scope.headers is a list of pairs")
    query = handshake.get("query_string") or ""
    if not isinstance(query, str):
        raise Malformed("scope.query_string is a text")
    for text in (query, *(part for pair in headers for part in pair)):
        if not text.isascii():
            _bytes(text)
    for key in ("client", "server"):
        value = handshake.get(key)
        if value is not None and (not isinstance(value, list) or len(value) != 2):
            raise Malformed(f"scope.{key} is a pair")
    if not isinstance(handshake.get("subprotocols", []), list):
        raise Malformed("scope.subprotocols is a list")


def scope_of(handshake: dict[str, Any]) -> Scope:
    """The scope that Daphne would have made of the handshake."""
    path = handshake["path"]
    raw = handshake.get("raw_path")
    headers = handshake.get("headers") or ()
    scope: Scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": handshake.get("scheme") or "ws",
        "path": path,
        "raw_path": raw.encode("latin-1", "replace") if isinstance(raw, str) else path.encode("utf-8", "surrogatepass"),
        "root_path": "",
        "query_string": _bytes(handshake.get("query_string") or ""),
        # Checked with the connect, all of them.
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": handshake.get("client"),
        "server": handshake.get("server"),
        "subprotocols": list(handshake.get("subprotocols") or ()),
    }
    extensions = handshake.get("extensions")
    if extensions:
        scope["extensions"] = extensions
    return scope


def kept_scope(text: str) -> Scope:
    """The scope of the handshake that a state has. It is shared by calls: none may change it."""
    return _kept(text) if len(text) <= KEPT_SIZE else scope_of(json.loads(text))


@functools.lru_cache(maxsize=KEPT)
def _kept(text: str) -> Scope:
    return scope_of(json.loads(text))


def own_scope(scope: Scope) -> Scope:
    """A copy for an application, which may change what is in it, too."""
    own = {key: list(value) if type(value) is list else value for key, value in scope.items()}
    own["asgi"] = dict(scope["asgi"])
    extensions = scope.get("extensions")
    if type(extensions) is dict:
        own["extensions"] = {name: dict(value) if type(value) is dict else value for name, value in extensions.items()}
    return own


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise Malformed("headers and query_string are latin-1 text") from None
