"""JWTs of one kind: HS256 with SECRET_KEY, with an end."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings

HEADER = {"alg": "HS256", "typ": "JWT"}


def signed(claims: Mapping[str, Any]) -> str:
    """A token with these claims."""
    text = f"{_packed(HEADER)}.{_packed(claims)}"
    return f"{text}.{_base64(_mac(settings.SECRET_KEY, text))}"


def opened(token: str) -> dict[str, Any] | None:
    """The claims of a valid token; None of any other."""
    text, _, mac = token.rpartition(".")
    header, _, payload = text.partition(".")
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    try:
        shown = _unbase64(mac)
        # First, so that nothing of a stranger's is read: JSON may be nested deeper than Python's stack.
        if not any(hmac.compare_digest(shown, _mac(key, text)) for key in keys):
            return None
        if _json(header).get("alg") != HEADER["alg"]:
            return None
        claims: dict[str, Any] = _json(payload)
    except (ValueError, binascii.Error, AttributeError):
        return None
    if not isinstance(claims, dict):
        return None
    end = claims.get("exp")
    if isinstance(end, bool) or not isinstance(end, int | float) or end <= time.time():
        return None
    return claims


def _json(part: str) -> Any:
    return json.loads(_unbase64(part))


def _packed(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _mac(key: Any, text: str) -> bytes:
    return hmac.digest(key if isinstance(key, bytes) else str(key).encode(), text.encode(), hashlib.sha256)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
