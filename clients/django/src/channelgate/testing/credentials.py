"""What a user of the project shows at a handshake: a session, or a token where the consumer wants one."""

import dataclasses
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.conf import settings

from channelgate.bridge import people
from channelgate.identity import user_id
from channelgate.testing.described import Described
from channelgate.testing.node import Node, NodeFailed

#: Places of a token, the best first: a query ends in logs, and a subprotocol is answered.
PLACES = ("header", "cookie", "query", "subprotocol")
#: Claims of a user that consumers may read, as a token of the node has them.
CLAIMS = ("name", "role", "is_staff", "is_superuser")


@dataclasses.dataclass
class Shown:
    """The parts of a handshake that say who the client is."""

    headers: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    cookies: dict[str, str] = dataclasses.field(default_factory=dict)
    query: list[str] = dataclasses.field(default_factory=list)
    subprotocols: list[str] = dataclasses.field(default_factory=list)


def shown(path: str, user: Any, token: str | None, described: Described, node: Node) -> Shown:
    """What a client at this path shows to be this user."""
    consumer = described.consumer(path)
    methods = [one for one in consumer.auth if one != "anonymous"] if consumer else []
    found = Shown()
    if token is not None:
        _place(found, token, described.sources.get(methods[0] if methods else "", ()))
    if user is None:
        return found
    if consumer is None or consumer.django or "django" in methods or not methods:
        found.cookies.update(_session(user))
    if token is None and methods and methods[0] != "django":
        _place(found, _token(methods[0], user, node), described.sources.get(methods[0], ()))
    return found


def _session(user: Any) -> dict[str, str]:
    """The cookie of a login, as `Client.force_login` makes it; nothing where the project has no sessions."""
    if not apps.is_installed("django.contrib.sessions") or not hasattr(user, "get_session_auth_hash"):
        return {}
    from django.test import Client

    client = Client()
    client.force_login(user)
    return {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}


def _token(method: str, user: Any, node: Node) -> str:
    if method == "ws_token":
        status, answer = node.ask("POST", "/page/token", {"user_id": user_id(user)})
        if status != 200:
            raise NodeFailed(f"The node makes no ws-token for the user: {status} {answer}")
        return str(answer["ws_token"])
    if method == "jwt" and apps.is_installed("rest_framework_simplejwt") and hasattr(user, "pk"):
        from rest_framework_simplejwt.tokens import AccessToken

        return str(AccessToken.for_user(user))
    described = people.checked(dict(user) if isinstance(user, Mapping) else people.function()(user)) or {}
    claims = [f"--claim={name}={_json(described[name])}" for name in CLAIMS if name in described]
    kind = ["--kind", method] if ":" in method else []
    return node.run("token", "--user", str(described["id"]), *kind, *claims).strip()


def _json(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _place(found: Shown, token: str, sources: tuple[str, ...]) -> None:
    """Puts a token where the node looks for it."""
    ordered = sorted(sources or ("header",), key=lambda one: PLACES.index(one.split(":")[0]))
    place, *names = ordered[0].split(":")
    if place == "query":
        found.query.append(f"{names[0]}={quote(token, safe='')}")
    elif place == "cookie":
        found.cookies[names[0]] = token
    elif place == "subprotocol":
        found.subprotocols += [names[0] if names else "access_token", token]
    elif names and "-" in names[0]:
        found.headers.append((names[0], f"{names[1]} {token}" if len(names) > 1 else token))
    else:
        found.headers.append(("authorization", f"{names[0] if names else 'Bearer'} {token}"))
