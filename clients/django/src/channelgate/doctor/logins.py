"""Checks of logins: a token, a ws-token and a session of Django, and the origins that the node allows."""

import contextlib
import importlib
import secrets
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings

from channelgate import credentials
from channelgate.doctor import handshakes, web
from channelgate.doctor.context import Context
from channelgate.doctor.handshakes import EVIL, Credential, Try
from channelgate.doctor.result import Result, fail, ok, skip

#: Seconds for which a credential of doctor is valid, should it not be taken back.
LIFETIME = 30
#: The close code that stands for 503, unless the consumer has another one.
TRY_LATER = 1013
#: What a node says of a login that it does not know, before the consumer decides.
NO_LOGIN = ("no credential was given", "the login is not valid or has ended", "Django refuses the client", "revoked")
ORIGIN = "the origin is not allowed"


def secret_key(context: Context) -> Iterator[Result]:
    """A token that this process signs, at the node's admin API: no consumer is asked, and nothing is changed."""
    token = credentials.access_token(f"channelgate-doctor-{secrets.token_hex(8)}", LIFETIME, {"role": "admin"})
    context.secrets.add(token)
    answer = web.ask(context.node, "/api/websocket/stats", headers={"Authorization": f"Bearer {token}"})
    # 403: the token is valid, and this role has no rights here.
    if answer.status in (200, 403):
        yield ok("SECRET_KEY is the same: a token of Django was admitted")
        return
    if answer.status == 503 and "DJANGO_SECRET_KEY" not in answer.detail:
        yield fail(f"A token of Django was not looked at: {answer.reason}", "Is Redis reachable from the node?")
        return
    uses_tokens = any("jwt" in one or "ws_token" in one for one in _auth(context))
    if answer.status == 503 and not uses_tokens:
        yield skip("A token of Django: the node has no DJANGO_SECRET_KEY, and no consumer reads tokens")
        return
    yield fail(
        f"A token of Django was refused: {answer.reason}",
        "DJANGO_SECRET_KEY of the node is SECRET_KEY; SIMPLE_JWT has SIGNING_KEY, ALGORITHM, AUDIENCE and ISSUER, too: "
        "start the node with python manage.py channelgate run, or compare with python manage.py channelgate env.",
    )


def ws_token(context: Context) -> Iterator[Result]:
    """A ws-token in the cache, at a consumer that reads them."""
    if "ws_token" not in _auth(context):
        return
    found = next((one for one in handshakes.tries(context) if "ws_token" in one.consumer.auth), None)
    if found is None:
        yield skip("A ws-token: each consumer that reads them does more at a connect; name a path with --path")
        return
    token = made_ws_token(context, f"channelgate-doctor-{secrets.token_hex(8)}")
    try:
        answer = _open(context, found, handshakes.ws_token(context, token.text))
    finally:
        token.drop()
    yield _judged(
        "A ws-token",
        answer,
        "A ws-token of the cache was admitted",
        "A ws-token of the cache was refused",
        "The node reads another cache: CHANNELGATE_CACHE_URL is LOCATION of CACHES, CHANNELGATE_CACHE_PREFIX is its "
        "KEY_PREFIX and VERSION (python manage.py channelgate env).",
    )


def made_ws_token(context: Context, user_id: str) -> credentials.WsToken:
    """A ws-token of a made-up user, where the node looks for it; to be dropped."""
    node_file = context.node_file
    opaque, of_jwt = credentials.OPAQUE_KEY, credentials.JWT_KEY
    if node_file is not None:
        opaque = node_file.get("auth.ws_token.opaque_key", opaque)
        of_jwt = node_file.get("auth.ws_token.jwt_key", of_jwt)
    token = credentials.ws_token(user_id, LIFETIME, (opaque, of_jwt))
    context.secrets.add(token.text)
    return token


def session(context: Context) -> Iterator[Result]:
    """A session of a user, which lives as long as the handshake."""
    needed = ("django.contrib.auth", "django.contrib.sessions")
    if "django" not in _auth(context) or not all(apps.is_installed(name) for name in needed):
        return
    of_sessions = (one for one in handshakes.tries(context) if "django" in one.consumer.auth)
    # Where every refusal is a close with one code, it is not known whether the login was refused.
    found = next((one for one in of_sessions if not (one.closes and "on_admit" in one.consumer.written)), None)
    if found is None:
        yield skip('A session: each consumer with auth = ["django"] does more at a connect; name a path with --path')
        return
    person = user(context)
    if person is None:
        which = f"user {context.user} does not exist" if context.user else "there is no active user"
        yield skip(f"A session: {which}; name one with --user")
        return
    with session_of(person) as key:
        context.secrets.add(key)
        answer = _open(context, found, handshakes.session(key))
    if answer.status == 503 or answer.close == TRY_LATER:
        # A later check says why.
        yield fail(f"A session cookie was refused: {answer.reason}", "See whether the node can ask Django, below.")
        return
    is_login = answer.status not in (101, 404, 429) and not any(text in answer.detail for text in (*NO_LOGIN, ORIGIN))
    if "on_admit" in found.consumer.written and is_login:
        # After the login, the consumer has decided.
        yield ok(f"A session cookie was known as user {person.pk}, whom {found.consumer.name} does not admit")
        return
    yield _judged(
        "A session",
        answer,
        f"A session cookie was admitted as user {person.pk}",
        f"A session cookie of user {person.pk} was refused",
        f'[auth.django] cookies of the node names "{settings.SESSION_COOKIE_NAME}"; the Django that the node asks has '
        "the database and the SECRET_KEY of this one.",
    )


def origins(context: Context) -> Iterator[Result]:
    """A page of the project, and one of another site."""
    found = handshakes.any_path(context)
    if found is None:
        return
    page = handshakes.origin(context)
    foreign = web.handshake(context.node, found.path, headers={"Origin": EVIL}, host=handshakes.host_of(page))
    if foreign.status != 403 or ORIGIN not in foreign.detail:
        yield fail(
            f"{EVIL} is allowed: a page of any site may open sockets of your visitors",
            "Name your hosts in server.allowed_origins, CHANNELGATE_ALLOWED_ORIGINS, or ALLOWED_HOSTS; not *.",
        )
        return
    refused = _refused(context, page)
    if refused is None:
        yield ok(f"Origin {page} is allowed, {EVIL} is not")
    else:
        yield fail(
            f"Origin {page} is refused: {refused}",
            "Add it to CHANNELGATE_ALLOWED_ORIGINS (ALLOWED_HOSTS of Django), or name the site with --site.",
        )


def _refused(context: Context, page: str) -> str | None:
    """Why the node refuses a page of the project; None if it does not."""
    headers, host = {"Origin": page}, handshakes.host_of(page)
    for one in [*handshakes.turned_away(context), *handshakes.tries(context)]:
        answer = web.handshake(context.node, one.path, headers=headers, host=host)
        return answer.reason if answer.status == 403 and ORIGIN in answer.detail else None
    # Each consumer does something at a connect. Who may fetch ws-tokens is decided by the same rule.
    headers |= {"Host": host, "Access-Control-Request-Method": "GET"}
    answer = web.ask(context.node, "/api/user/ws-token/", method="OPTIONS", headers=headers)
    return None if "access-control-allow-methods" in answer.headers else ORIGIN


def _auth(context: Context) -> set[str]:
    return {one for consumer in context.consumers for one in consumer.auth}


def _open(context: Context, one: Try, credential: Credential) -> web.Answer:
    page = handshakes.origin(context)
    headers = {**credential.headers, "Origin": page}
    host = handshakes.host_of(page)
    return web.handshake(context.node, credential.path(one.path), headers=headers, host=host, waits=one.closes)


def _judged(what: str, answer: web.Answer, good: str, bad: str, cure: str) -> Result:
    if answer.status == 101 and answer.close is None:
        return ok(good)
    if answer.status == 403 and ORIGIN in answer.detail:
        # The check of the origins says it.
        return skip(f"{what}: the node refuses the origin; name the site with --site")
    return fail(f"{bad}: {answer.reason}", cure)


def user(context: Context) -> Any:
    from django.contrib.auth import get_user_model

    users = get_user_model()._default_manager.all()
    if context.user is not None:
        return users.filter(pk=get_user_model()._meta.pk.to_python(context.user)).first()
    names = {field.name for field in get_user_model()._meta.get_fields()}
    return (users.filter(is_active=True) if "is_active" in names else users).order_by("pk").first()


def _backend_of(person: Any) -> str:
    """The first backend that finds this user."""
    from django.contrib.auth import load_backend

    found = (one for one in settings.AUTHENTICATION_BACKENDS if load_backend(one).get_user(person.pk) is not None)
    return str(next(found, settings.AUTHENTICATION_BACKENDS[0]))


@contextlib.contextmanager
def session_of(person: Any) -> Iterator[str]:
    """A new session, deleted at the end; no signal of a login is sent, and the user is not changed."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    store = importlib.import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = person._meta.pk.value_to_string(person)
    store[BACKEND_SESSION_KEY] = _backend_of(person)
    store[HASH_SESSION_KEY] = person.get_session_auth_hash() if hasattr(person, "get_session_auth_hash") else ""
    store.set_expiry(LIFETIME)
    store.save()
    key = store.session_key
    try:
        yield key
    finally:
        store.delete(key)
