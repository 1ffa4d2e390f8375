"""JSON texts. `json.JSONEncoder.encode` makes its encoder in C anew for each text, which costs a short one more than
the writing: here it is made once."""

import json
from collections.abc import Callable
from typing import Any


def encoder(*, allow_nan: bool) -> Callable[[Any], str]:
    """Writes values without spaces, and text as it is. What contains itself ends at Python's limit of nesting."""
    plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False, allow_nan=allow_nan)
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    text = json.encoder.encode_basestring
    pieces = make(None, plain.default, text, None, plain.key_separator, plain.item_separator, False, False, allow_nan)

    def encode(value: Any) -> str:
        return "".join(pieces(value, 0))

    return encode
