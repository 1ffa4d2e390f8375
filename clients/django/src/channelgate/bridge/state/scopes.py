"""The scope: what middleware added, and what it changed of the handshake. The handshake itself is the caller's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .given import CHANNELS
from .tree import ATOMS, Decoder, Encoder, Unkept

# What a server puts into the scope of a socket.
_SERVER = """
type asgi http_version scheme path raw_path root_path query_string headers client server subprotocols extensions state
method
"""
HANDSHAKE = frozenset(_SERVER.split())
_ABSENT = object()


def given(encoder: Encoder, scope: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of Channels' middleware and routing, and under `m` the shapes of their models. They come first."""
    entries: dict[str, Any] = {}
    for name in CHANNELS:
        if name in scope:
            _add(encoder, entries, name, scope[name])
    shapes, encoder.models = encoder.models, {}
    return {**entries, "m": shapes} if shapes else entries


def encode(encoder: Encoder, scope: Mapping[str, Any], received: Mapping[str, Any] | None) -> dict[str, Any]:
    """The other entries."""
    out: dict[str, Any] = {}
    encoder.mark = len(encoder.kept)
    for name, value in scope.items():
        if name in CHANNELS:
            continue
        if name in HANDSHAKE:
            before = value if received is None else received.get(name, _ABSENT)
            if before is value or _same(before, value):
                continue
        _add(encoder, out, name, value)
    return out


def _add(encoder: Encoder, out: dict[str, Any], name: str, value: Any) -> None:
    if type(value) in ATOMS:
        out[name] = value
        return
    try:
        out[name] = encoder.encode(value)
    except Unkept as unkept:
        unkept.path.append(f"scope[{name!r}]")
        raise


def same_as_received(received: Mapping[str, Any], name: str, now: Any) -> bool:
    """Whether an entry is as the server made it."""
    before = received.get(name, _ABSENT)
    return before is now or _same(before, now)


def _same(before: Any, now: Any) -> bool:
    return type(before) is type(now) and bool(before == now)


def decode(decoder: Decoder, kept: dict[str, Any]) -> dict[str, Any]:
    return decoder.members(kept)
