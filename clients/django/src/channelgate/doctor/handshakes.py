"""Which paths may be tried without any effect, and how a handshake there looks.

A handshake runs what a consumer does at connect. Only consumers whose whole effect is to join groups are tried, unless
the command names the path.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from django.conf import settings

from channelgate.doctor.context import Context
from channelgate.nodefile import Consumer
from channelgate.nodefile.paths import Parameter, expression, fill, made_up

#: Keys of a consumer that have no effect at a handshake but to refuse it, or to join groups.
_HARMLESS = frozenset(
    {
        *(
            "path",
            "name",
            "protocol",
            "namespace",
            "subprotocols",
            "auth",
            "invalid",
            "anonymous_for",
            "groups",
            "allow",
        ),
        *("reject", "at_expiry", "message_key", "on_bad_json", "on_failed", "on_unknown_message", "max_message"),
        *(
            "max_rooms",
            "max_items",
            "slow",
            "topics",
            "on_event",
            "on_message",
            "on_raw",
            "on_gap",
            "heartbeat",
            "samples",
        ),
    }
)
#: Keys of a step that only send something to the client itself, and of one that only decides about it.
_ANSWERS = frozenset({"reply", "reply_raw", "when"})
_DECIDES = frozenset({"when", "require", "set", "refuse"})
#: The origin of no site of the project.
EVIL = "http://evil.example"


@dataclasses.dataclass(frozen=True, slots=True)
class Try:
    """A handshake at a consumer's path."""

    consumer: Consumer
    path: str
    route: Mapping[str, str]

    @property
    def closes(self) -> bool:
        """Whether a client that is refused is accepted first, and then closed."""
        reject = self.consumer.written.get("reject")
        return isinstance(reject, Mapping) and reject.get("close") is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Credential:
    """What a client shows."""

    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def path(self, path: str) -> str:
        """The path with the query."""
        return f"{path}?{urlencode(self.query)}" if self.query else path


def is_harmless(consumer: Consumer) -> bool:
    """Whether a handshake there does nothing but join groups."""
    if consumer.protocol != "websocket":
        return False
    for key, value in consumer.written.items():
        if key in ("on_connect", "on_admit"):
            known = _ANSWERS if key == "on_connect" else _DECIDES
            steps = value if isinstance(value, list) else [value]
            if not all(isinstance(step, Mapping) and step.keys() <= known for step in steps):
                return False
        elif key not in _HARMLESS:
            return False
    return True


def tries(context: Context) -> Iterator[Try]:
    """Every path that may be tried: those of the options first, then a made-up one of each harmless consumer."""
    consumers = context.consumers
    for path in context.allowed_paths:
        plain = path.partition("?")[0]
        for consumer in consumers:
            if any(re.match(expression(one), plain) for one in consumer.paths):
                yield Try(consumer, path, {})
                break
    # Those that admit every user come first.
    for consumer in sorted(filter(is_harmless, consumers), key=lambda one: "on_admit" in one.written):
        for path in consumer.paths[:1]:
            yield made_up_try(consumer, path)


def made_up_try(consumer: Consumer, path: str) -> Try:
    """A path of the consumer with parameters that no object of the project has."""
    route: dict[str, str] = {}

    def value(parameter: Parameter) -> str:
        return route.setdefault(parameter.name, made_up(parameter))

    return Try(consumer, fill(path, value), route)


def turned_away(context: Context) -> Iterator[Try]:
    """Paths at which a client without a credential is refused before anything else is done for it."""
    for consumer in context.consumers:
        if consumer.protocol == "websocket" and consumer.auth and "anonymous" not in consumer.auth and consumer.paths:
            yield made_up_try(consumer, consumer.paths[0])


def any_path(context: Context) -> Try | None:
    """A path of a WebSocket consumer, for handshakes that are refused for their origin."""
    rest = (made_up_try(one, one.paths[0]) for one in context.consumers if one.protocol == "websocket" and one.paths)
    # If the origin is not refused after all, the first of these have no effect either.
    return next(chain(turned_away(context), tries(context), rest), None)


def bearer(context: Context, token: str) -> Credential:
    """A JWT at a place where the node looks for it."""
    sources = context.node_file.get("auth.jwt.sources") if context.node_file else None
    return _placed(sources or ["query:token", "header"], token)


def ws_token(context: Context, token: str) -> Credential:
    """The same for a ws-token."""
    sources = context.node_file.get("auth.ws_token.sources") if context.node_file else None
    return _placed(sources or ["query:token", "header", "subprotocol"], token)


def _placed(sources: Any, token: str) -> Credential:
    for source in [sources] if isinstance(sources, str) else sources:
        kind, _, name = str(source).partition(":")
        if kind == "query":
            return Credential(query={name or "token": token})
        if kind == "header" and not name:
            return Credential(headers={"Authorization": f"Bearer {token}"})
        if kind == "cookie" and name:
            return Credential(headers={"Cookie": f"{name}={quote(token)}"})
    return Credential(headers={"Authorization": f"Bearer {token}"})


def session(key: str) -> Credential:
    """A session's cookie."""
    return Credential(headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={key}"})


def origin(context: Context) -> str:
    """A page of the project: `--site`, else what the settings name, else the node itself."""
    if context.site:
        return f"{urlsplit(context.site).scheme}://{host_of(context.site)}"
    for one in getattr(settings, "CSRF_TRUSTED_ORIGINS", ()):
        if "*" not in one:
            return str(one)
    for host in settings.ALLOWED_HOSTS:
        if host and "*" not in host and not host.startswith("."):
            return f"http://{host}"
    if settings.DEBUG and not settings.ALLOWED_HOSTS:
        return "http://localhost"
    netloc = urlsplit(context.node).netloc
    return f"http://{netloc}" if netloc else "http://localhost"


def host_of(page: str) -> str:
    """The `Host` with which a browser asks for a page's own server: without the port of the scheme."""
    parts = urlsplit(page)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts.netloc.removesuffix(default) if default else parts.netloc
