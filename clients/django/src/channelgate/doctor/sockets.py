"""Whether a group_send of Django reaches a socket of the node, in a group of which no client is a member."""

import secrets
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from channelgate import credentials
from channelgate.doctor import handshakes, sends, web
from channelgate.doctor.context import Context
from channelgate.doctor.expected import Expected, expected
from channelgate.doctor.handshakes import Credential, Try
from channelgate.doctor.logins import LIFETIME, made_ws_token, session_of, user
from channelgate.doctor.result import Result, fail, ok, skip, warn

#: Seconds for the frame.
PATIENCE = 3.0
WHAT = "A group_send to a socket"


def reaches_a_socket(context: Context) -> Iterator[Result]:
    """Opens a socket, sends to its group, and waits for the frame."""
    try:
        from websockets.sync.client import connect
    except ImportError:
        yield warn(f"{WHAT} was not tried: websockets is not installed", "pip install 'channelgate[shadow]'")
        return
    marker = f"doctor {secrets.token_hex(8)}"
    user_id = f"channelgate-doctor-{secrets.token_hex(8)}"
    for one in handshakes.tries(context):
        made_up = user_id if _knows_anybody(one) else None
        event = expected(one, made_up, marker)
        if event is None:
            continue
        yield from _tried(context, one, event, user_id, marker, connect)
        return
    yield skip(f"{WHAT}: no consumer of channelgate.toml has a group that doctor would have for itself")


def _knows_anybody(one: Try) -> bool:
    """Whether the node itself judges the credential, so that its user need not exist."""
    return one.consumer.auth[0] in ("jwt", "ws_token")


def _tried(context: Context, one: Try, event: Expected, user_id: str, marker: str, connect: Any) -> Iterator[Result]:
    match one.consumer.auth[0]:
        case "anonymous":
            yield _sent(context, one, event, Credential(), marker, connect)
        case "jwt":
            token = credentials.access_token(user_id, LIFETIME)
            context.secrets.add(token)
            yield _sent(context, one, event, handshakes.bearer(context, token), marker, connect)
        case "ws_token":
            made = made_ws_token(context, user_id)
            try:
                yield _sent(context, one, event, handshakes.ws_token(context, made.text), marker, connect)
            finally:
                made.drop()
        case "django":
            person = user(context)
            if person is None:
                yield skip(f"{WHAT}: there is no user for a session; name one with --user")
                return
            with session_of(person) as key:
                context.secrets.add(key)
                yield _sent(context, one, event, handshakes.session(key), marker, connect)
        case other:
            yield skip(f"{WHAT}: doctor has no credential of the kind {other}")


def _sent(context: Context, one: Try, event: Expected, credential: Credential, marker: str, connect: Any) -> Result:
    from websockets.exceptions import InvalidStatus, WebSocketException

    page = handshakes.origin(context)
    path = credential.path(one.path)
    raw = _plain_socket(context.node)
    try:
        with connect(
            f"ws://{handshakes.host_of(page)}{path}",
            sock=raw,
            origin=page,
            additional_headers=dict(credential.headers),
            compression=None,
            open_timeout=PATIENCE,
            close_timeout=0.5,
        ) as client:
            began = time.perf_counter()
            sends.run(lambda: _group_send(event))
            if _frame(client, marker, began):
                took = (time.perf_counter() - began) * 1000
                return ok(f"A group_send reached a socket in {took:.0f} ms")
    except InvalidStatus as refused:
        # The checks of logins say why.
        return skip(f"{WHAT}: {one.consumer.name} refused it with {refused.response.status_code}")
    except (OSError, WebSocketException) as error:
        return fail(f"{WHAT} failed: {type(error).__name__}: {error}", "The node's log has the reason.")
    return fail(
        f"A group_send did not reach a socket of {one.consumer.name} within {PATIENCE:.0f} s",
        f"python manage.py channelgate tail --group {event.group} shows what becomes of its events.",
    )


def _plain_socket(url: str) -> socket.socket:
    """A connection to the node, whatever host the request names."""
    if url.startswith("unix:"):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(web.TIMEOUT)
        made.connect(url.removeprefix("unix:").removeprefix("//"))
    else:
        parts = urlsplit(url)
        made = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=web.TIMEOUT)
    made.settimeout(None)
    return made


async def _group_send(event: Expected) -> None:
    async with sends.layer() as layer:
        await layer.group_send(event.group, dict(event.event))


def _frame(client: Any, marker: str, began: float) -> bool:
    """Whether a frame with the marker comes in time; others are greetings."""
    while (left := PATIENCE - (time.perf_counter() - began)) > 0:
        try:
            frame = client.recv(timeout=left)
        except TimeoutError:
            return False
        if marker in (frame if isinstance(frame, str) else frame.decode("utf-8", "replace")):
            return True
    return False
