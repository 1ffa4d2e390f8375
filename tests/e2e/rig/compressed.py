"""permessage-deflate of a hostile client."""

import zlib


def deflated(data: bytes) -> bytes:
    """The payload of a compressed message (RFC 7692, section 7.2.1)."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]
