"""The blob: the payload as JSON, compressed if that pays, signed for one connection, one call and one class.

The handshake never changes: it is a JSON text on a line of its own, which calls hand on as it is. What Channels'
middleware put in the scope is another, which seldom changes.

HMAC-SHA256 with a key derived from SECRET_KEY; keys of SECRET_KEY_FALLBACKS are tried, so that a rotation of the key
closes nothing. Nothing of a blob is read before its signature holds, and it is unpacked no further than it may be long.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import zlib
from base64 import b64decode, b64encode
from typing import Any

from django.conf import settings

from channelgate.bridge.refusals import Refused
from channelgate.bridge.texts import encoder

from . import secrets
from .names import spoken
from .tree import Unkept
from .words import WORDS

PURPOSE = b"channelgate.bridge.state.1"
# Where a payload has the JSON text of the handshake.
HANDSHAKE = "h"
# What Channels' middleware put in the scope: as values, and as the JSON text in which the call before left it.
GIVEN, GIVEN_TEXT = "d", "t"
SIGNATURE = 16
# Bytes of JSON from which on compression is tried: below, it costs more than it saves.
COMPRESS = 120
# What a state may unpack to. One that seal() wrote is never larger: this holds for an old key in wrong hands, too.
UNPACKED = 4 * 1024 * 1024
# How the rest of a blob is to be read: as it is, or unpacked with the words of WORDS.
_PLAIN, _PACKED = b"j", b"1"

_encode = encoder(allow_nan=True)
_keys: dict[str, Any] = {}
# What was unpacked for calls that run, and from what: a call that leaves its state as it was saves the packing.
_unpacked: dict[bytes, bytes] = {}
RUNNING = 256
RUNNING_SIZE = 16384


def _key(secret: Any) -> Any:
    """An HMAC that has eaten its key already: copied for each blob."""
    key = _keys.get(secret)
    if key is None:
        raw = secret if isinstance(secret, bytes) else str(secret).encode("utf-8", "surrogatepass")
        if len(_keys) > 16:
            _keys.clear()
        derived = hmac.new(raw, PURPOSE, hashlib.sha256).digest()
        key = _keys[secret] = hmac.new(derived, digestmod=hashlib.sha256)
    return key


def _sign(secret: Any, connection: str, seq: int, body: bytes) -> bytes:
    signed = _key(secret).copy()
    name = connection.encode("utf-8", "surrogatepass")
    signed.update(b"%d:%d:" % (len(name), seq) + name + body)
    return bytes(signed.digest()[:SIGNATURE])


def seal(payload: dict[str, Any], *, connection: str, seq: int, limit: int) -> str:
    """The state that call `seq` leaves. Too large: refused, with the attribute that makes it so."""
    handshake, text, given = _texts(payload)
    if secrets.holds(text) or secrets.holds(given):
        payload[GIVEN] = json.loads(given) if given else {}
        try:
            secrets.withhold(payload)
        except Unkept as unkept:
            raise Refused("state", f"{spoken(payload['c'])}: {unkept.sentence()}") from None
        _, text, given = _texts(payload)
    if handshake or given:
        text += f"\n{given}\n{handshake}"
    raw = text.encode("utf-8", "surrogatepass")
    body = _unpacked.pop(raw, b"") or _pack(raw)
    blob = b64encode(_sign(settings.SECRET_KEY, connection, seq, body) + body).decode("ascii")
    if len(blob) > limit or len(raw) > UNPACKED:
        payload["s"] = {**payload.get("s", {}), **(json.loads(given) if given else {})}
        raise Refused("state_size", _too_large(payload, max(len(blob), 0 if len(blob) > limit else len(raw)), limit))
    return blob


def _texts(payload: dict[str, Any]) -> tuple[str, str, str]:
    """The lines of a payload: the handshake, what changes, and what Channels' middleware gave."""
    handshake, tree, given = payload.pop(HANDSHAKE, ""), payload.pop(GIVEN, None), payload.pop(GIVEN_TEXT, "")
    return handshake, _encode(payload), given or (_encode(tree) if tree else "")


# Copied for each blob: reading the words takes longer than packing most states.
_PACKER = zlib.compressobj(1, zlib.DEFLATED, -12, 4, zlib.Z_DEFAULT_STRATEGY, WORDS)


def _pack(raw: bytes) -> bytes:
    if len(raw) > COMPRESS:
        packer = _PACKER.copy()
        packed = packer.compress(raw) + packer.flush()
        if len(packed) < len(raw):
            return _PACKED + packed
    return _PLAIN + raw


def _too_large(payload: dict[str, Any], size: int, limit: int) -> str:
    text = f"{spoken(str(payload.get('c', '')))}: its state has {size} bytes, more than {limit}"
    parts = [(f"self.{name}", part) for name, part in payload.get("a", {}).items()]
    parts += [(f"scope[{name!r}]", part) for name, part in payload.get("s", {}).items()]
    if not parts:
        return text
    length, name = max((len(_encode(part)), name) for name, part in parts)
    return f"{text}; {name} alone {length}"


def unseal(blob: Any, *, connection: str, seq: int) -> dict[str, Any]:
    """The payload of the call before `seq`, or Refused: it was not signed by this project for this connection."""
    if not blob or not isinstance(blob, str):
        raise Refused("state", "no state was sent along")
    try:
        data = b64decode(blob, validate=True)
    except ValueError:
        raise _forged() from None
    signature, body = data[:SIGNATURE], data[SIGNATURE:]
    good = False
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        if hmac.compare_digest(signature, _sign(secret, connection, seq - 1, body)):
            good = True
            break
    if not good or body[:1] not in (_PLAIN, _PACKED):
        raise _forged()
    raw = body[1:]
    if body[:1] == _PACKED:
        unpacker = zlib.decompressobj(-12, zdict=WORDS)
        try:
            raw = unpacker.decompress(raw, UNPACKED)
        except zlib.error:
            raise _forged() from None
        if not unpacker.eof:
            raise Refused("state", f"the state unpacks to more than {UNPACKED} bytes")
        if len(raw) <= RUNNING_SIZE:
            if len(_unpacked) >= RUNNING:
                _unpacked.clear()
            _unpacked[raw] = body
    text, _, rest = raw.decode("utf-8", "surrogatepass").partition("\n")
    payload = json.loads(text)
    if not isinstance(payload, dict):
        raise _forged()
    given, line, handshake = rest.partition("\n")
    if not line:
        # Of an older release, which had the handshake on the second line.
        given, handshake = "", given
    if handshake:
        payload[HANDSHAKE] = handshake
    if given:
        payload[GIVEN], payload[GIVEN_TEXT] = json.loads(given), given
    return payload


def _forged() -> Refused:
    return Refused("signature", "the state was not signed by this project for this connection")
