"""Whether a group_send of Django reaches a socket of the node, past every client."""

import dataclasses
import functools
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from channelgate import credentials
from channelgate.doctor import handshakes, hearing, sends, web
from channelgate.doctor.context import Context
from channelgate.doctor.expected import event_for, expected
from channelgate.doctor.handshakes import Credential, Try
from channelgate.doctor.logins import LIFETIME, made_ws_token, session_of, user
from channelgate.doctor.result import Result, fail, ok, skip, warn
from channelgate.doctor.watching import Watcher

#: Seconds for the frame.
PATIENCE = 3.0
#: Seconds in which another client that has just connected at the same path would be seen.
OTHERS = 0.15
WHAT = "A group_send to a socket"


def reaches_a_socket(context: Context) -> Iterator[Result]:
    """Opens a socket, sends an event that only it gets, and waits for the frame."""
    try:
        from websockets.sync.client import connect
    except ImportError:
        yield warn(f"{WHAT} was not tried: websockets is not installed", "pip install 'channelgate[shadow]'")
        return
    marker = f"doctor {secrets.token_hex(8)}"
    user_id = f"channelgate-doctor-{secrets.token_hex(8)}"
    found = list(handshakes.tries(context))
    for one in found:
        event = expected(one, user_id if _knows_anybody(one) else None, marker)
        if event is not None:
            yield _tried(context, one, user_id, _Sending(event.event, marker, group=event.group), connect)
            return
    for one in found:
        event_of = event_for(one.consumer, marker)
        if one.consumer.is_in_django and event_of is not None and "the API key" not in context.broken:
            yield _tried(context, one, user_id, _Sending(event_of, marker), connect)
            return
    yield skip(
        f"{WHAT}: no consumer of channelgate.toml has a group that doctor would have for itself; "
        "name a path of a consumer in Django with --path"
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Sending:
    """An event for one socket, and how it is sent."""

    event: Mapping[str, Any]
    marker: str
    #: A group of which the socket is the only member; None: the channel of its connection.
    group: str | None = None


class _NotKnown(Exception):
    """Which connection is doctor's own is not known for certain, so nothing is sent."""


def _knows_anybody(one: Try) -> bool:
    """Whether the node itself judges the credential, so that its user need not exist."""
    return one.consumer.auth[0] in ("jwt", "ws_token")


def _tried(context: Context, one: Try, user_id: str, sending: _Sending, connect: Any) -> Result:
    """With the credential that the consumer wants."""
    auth = one.consumer.auth[0]
    if one.consumer.is_in_django and auth == "anonymous" and user(context) is not None:
        # Django's middleware looks for a session.
        auth = "django"
    match auth:
        case "anonymous":
            return _sent(context, one, Credential(), sending, connect)
        case "jwt":
            token = credentials.access_token(user_id, LIFETIME)
            context.secrets.add(token)
            return _sent(context, one, handshakes.bearer(context, token), sending, connect)
        case "ws_token":
            made = made_ws_token(context, user_id)
            try:
                return _sent(context, one, handshakes.ws_token(context, made.text), sending, connect)
            finally:
                made.drop()
        case "django":
            person = user(context)
            if person is None:
                return skip(f"{WHAT}: there is no user for a session; name one with --user")
            with session_of(person) as key:
                context.secrets.add(key)
                return _sent(context, one, handshakes.session(key), sending, connect)
    return skip(f"{WHAT}: doctor has no credential of the kind {auth}")


def _sent(context: Context, one: Try, credential: Credential, sending: _Sending, connect: Any) -> Result:
    from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

    page = handshakes.origin(context)
    open_socket = functools.partial(
        connect,
        f"ws://{handshakes.host_of(page)}{credential.path(one.path)}",
        origin=page,
        additional_headers=dict(credential.headers),
        compression=None,
        open_timeout=PATIENCE,
        close_timeout=0.5,
    )
    name = one.consumer.name
    try:
        if sending.group is None:
            took = _through_channel(context, one, sending, open_socket)
        else:
            with open_socket(sock=_plain_socket(context.node)) as client:
                took = _delivered(client, sending, lambda: _to_group(sending))
    except InvalidStatus as refused:
        status = refused.response.status_code
        if status == 500:
            return fail(f"{WHAT}: {name} failed at its connect", "Django's log has the traceback.")
        # The checks of logins say why.
        return skip(f"{WHAT}: {name} refused it with {status}")
    except _NotKnown as why:
        return skip(f"{WHAT}: {why}")
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else 1006
        if one.closes:
            return skip(f"{WHAT}: {name} accepted it, and closed it with {code}")
        return fail(f"{WHAT}: {name} closed it with {code}", "The node's log has the reason.")
    except (OSError, WebSocketException) as error:
        return fail(f"{WHAT} failed: {type(error).__name__}: {error}", "The node's log has the reason.")
    if took is not None:
        return ok(f"A group_send reached a socket in {took:.0f} ms")
    return fail(
        f"A group_send did not reach a socket of {name} within {PATIENCE:.0f} s",
        "python manage.py channelgate tail shows what becomes of events.",
    )


def _through_channel(context: Context, one: Try, sending: _Sending, open_socket: Any) -> float | None:
    """Django runs the consumer, so its groups are not known: the node's tail says which connection is doctor's own."""
    path = one.path.partition("?")[0]

    def is_ours(line: Mapping[str, Any]) -> bool:
        return line.get("kind") == "missed" or (line.get("call") == "connect" and line.get("path") == path)

    with Watcher(context, "", is_ours) as watcher, open_socket(sock=_plain_socket(context.node)) as client:
        context.accepted_by = one.consumer.name
        watcher.saw(PATIENCE)
        # Another client of the same path would be seen now, too.
        time.sleep(OTHERS)
        if len(watcher.found) != 1 or "connection" not in watcher.found[0]:
            raise _NotKnown(f"others connect at {path} at the same time; run doctor again")
        channels = hearing.channels_of(str(watcher.found[0]["connection"]), hearing.nodes_there())
        return _delivered(client, sending, lambda: _to_channels(sending, channels))


def _delivered(client: Any, sending: _Sending, send: Callable[[], Awaitable[None]]) -> float | None:
    """Sends, and waits for the frame; milliseconds."""
    began = time.perf_counter()
    sends.run(send)
    return (time.perf_counter() - began) * 1000 if _frame(client, sending.marker, began) else None


async def _to_group(sending: _Sending) -> None:
    async with sends.layer() as layer:
        await layer.group_send(sending.group, dict(sending.event))


async def _to_channels(sending: _Sending, channels: list[str]) -> None:
    async with sends.layer() as layer:
        await hearing.send_to_channels(layer, channels, dict(sending.event))


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
