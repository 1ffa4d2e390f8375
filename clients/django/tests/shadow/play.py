"""Recordings made by hand: what arrives, when, and in which turn."""

import json

from channelgate.shadow.recorded import Act, Close, Connection, Frame, Handshake, Recorded, Recording

#: Turns: 1 and 2 are the handshakes, 3 is listening.
OPENING, LISTENING = Act("opening", 1, 2), Act("listening", 3, 3)


def accepted(status=101, subprotocol=None, closed=None):
    """A connection."""
    return Connection(Handshake(status, subprotocol, 0.01), closed)


def closed(code, at=5.0, turn=3, reason=""):
    return Close(at, turn, code, reason)


def side(name, *frames, connections=None):
    """`frames`: (seconds, turn, value); a text or bytes are sent as they are."""
    made = [
        Frame(at, turn, value if isinstance(value, str | bytes) else json.dumps(value)) for at, turn, value in frames
    ]
    return Recording(name, f"ws://{name}", connections or [accepted()], made)


def recorded(left, right, acts=(OPENING, LISTENING), ids=(), turns=20):
    """A run; each turn begins at its own second."""
    return Recorded(left, right, tuple(acts), tuple(float(turn) for turn in range(turns)), tuple(ids))


def listened(left, right, **more):
    """Both sides while they listen: pairs of seconds and value."""
    ours = side("left", *((at, 3, value) for at, value in left))
    theirs = side("right", *((at, 3, value) for at, value in right))
    return recorded(ours, theirs, **more)
