"""The action `who_am_i`: sessions as Django itself takes them, and whatever the project names beside them."""

import functools
import hashlib
import json
import time
import types
from importlib import import_module

import pytest
from asgiref.sync import sync_to_async
from django.contrib import auth
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import connection
from django.http import Http404, HttpRequest
from django.test import Client
from harness import loose
from harness.signed import post, signature
from project.asgi import application
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.exceptions import PermissionDenied as Forbidden
from rest_framework.request import Request

from channelgate import answers, checks, disconnect, orders, registry
from channelgate.forwarded import Forwarded
from channelgate.registry import Registered

BADGE = "test_who.by_badge"
ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]
MODEL = "django.contrib.auth.backends.ModelBackend"


def question(**data) -> dict:
    return {"action": "who_am_i", "data": data, "user": None, "connection": "", "consumer": ""}


def asked(**data):
    """Status and answer, without HTTP."""
    return answers.answer(question(**data))


def by_session(key):
    return asked(cookies={"sessionid": key})


def log_in(user, engine="db", **extra):
    """A session of this user, made by Django's own login."""
    request = HttpRequest()
    request.session = import_module(f"django.contrib.sessions.backends.{engine}").SessionStore()
    request.META = {}
    auth.login(request, user, MODEL)
    request.session.update(extra)
    request.session.save()
    return request.session


def by_badge(request):
    """A function of a project."""
    badge = request.GET.get("badge")
    if badge == "forbidden":
        raise PermissionDenied("not this one")
    user = User.objects.filter(username=badge).first() if badge else None
    return (user, {"exp": 99999999999}) if user else None


async def by_badge_async(request):
    return await sync_to_async(by_badge)(request)


def nobody(request):
    return AnonymousUser()


class Banned(Forbidden):
    """A project's own refusal."""


def by_guest(request):
    """A function that refuses in one of the ways that its authors know."""
    refusals = {
        "401": AuthenticationFailed,
        "403": Banned,
        "404": Http404,
        "refused": functools.partial(registry.Refused, 401, "no"),
        "forbidden": functools.partial(registry.Refused, 403, "no"),
        "busy": Throttled,
    }
    guest = request.GET.get("guest")
    if guest is not None:
        raise refusals[guest]()


class WithoutCsrf(SessionAuthentication):
    """As projects switch off what demands a CSRF token."""

    def enforce_csrf(self, request):
        return


class Keyed(BaseAuthentication):
    """An authentication class as projects write them: `Authorization: Key <name>`."""

    def authenticate(self, request):
        words = get_authorization_header(request).decode().split()
        if len(words) != 2 or words[0].lower() != "key":
            return None
        if words[1] == "forbidden":
            raise Forbidden
        user = User.objects.filter(username=words[1], is_active=True).first()
        if user is None:
            raise AuthenticationFailed("No such key")
        return user, None

    def authenticate_header(self, request):
        return 'Key realm="api"'


class Silent(Keyed):
    """One that does not say which scheme it wants."""

    def authenticate(self, request):
        words = get_authorization_header(request).decode().split()
        if words[:1] != ["Bearer"]:
            return None
        return super().authenticate(Request(Forwarded.read({}).request(f"Key {words[1]}")))

    def authenticate_header(self, request):
        return None


class ByCookie(Keyed):
    """Tokens in a cookie of the project."""

    def authenticate(self, request):
        key = request.COOKIES.get("key")
        return super().authenticate(Request(Forwarded.read({}).request(f"Key {key}"))) if key else None


@pytest.fixture
def bea():
    user, _ = User.objects.get_or_create(username="bea", defaults={"is_active": True})
    user.is_active = True
    user.set_password("first")
    user.save()
    return user


@pytest.mark.parametrize("engine", ENGINES)
def test_a_session_is_what_django_takes_for_one(engine, settings, bea, tmp_path):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    key = log_in(bea, engine).session_key
    status, user = by_session(key)
    assert (status, user["id"], user["name"]) == (200, bea.pk, "bea")
    assert abs(user["exp"] - time.time() - settings.SESSION_COOKIE_AGE) < 60
    # A visitor's session has no login; one that nobody knows is not valid.
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store["cart"] = [1]
    store.save()
    assert by_session(store.session_key) == (200, None)
    for wrong in ("x" * 32, "short", "../../etc", "a b\n"):
        assert by_session(wrong)[0] == 401, wrong
    bea.set_password("second")
    bea.save()
    assert by_session(key)[0] == 401
    bea.is_active = False
    bea.save()
    assert by_session(log_in(bea, engine).session_key)[0] == 401


def test_a_question_changes_no_session(settings, bea):
    session = log_in(bea)
    before = Session.objects.get(pk=session.session_key)
    key = settings.SECRET_KEY
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [key], "a new key, as long as Django wants it to be, yes"
    assert by_session(session.session_key)[0] == 200, "an old key still counts"
    settings.SECRET_KEY_FALLBACKS = []
    assert by_session(session.session_key)[0] == 401
    settings.SECRET_KEY = key
    bea.set_password("second")
    bea.save()
    assert by_session(session.session_key)[0] == 401
    after = Session.objects.get(pk=session.session_key)
    assert (before.session_data, before.expire_date) == (after.session_data, after.expire_date)
    # Django's own does not leave it alone.
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session.session_key)
    assert not get_user(request).is_authenticated
    assert not Session.objects.filter(pk=session.session_key).exists()


def test_a_login_by_a_backend_that_is_gone_is_not_valid(settings, bea):
    key = log_in(bea).session_key
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    assert by_session(key)[0] == 401


def test_the_cookie_has_the_projects_name(settings, bea):
    key = log_in(bea).session_key
    settings.SESSION_COOKIE_NAME = "shop"
    assert by_session(key)[0] == 401
    assert asked(cookies={"shop": key})[1]["id"] == bea.pk


def test_the_user_is_what_describe_says(settings, bea):
    key = log_in(bea).session_key
    for function in ("test_who.described", "test_who.described_later"):
        settings.CHANNELGATE = {"SECRET": settings.SECRET, "DESCRIBE": function}
        status, user = by_session(key)
        assert (status, user["id"], user["shoe"]) == (200, f"u{bea.pk}", 42)
    # The node would take these for the end of the login and for where its credential was.
    for function in ("described_wrongly", "described_with_an_end", "described_with_an_origin"):
        settings.CHANNELGATE = {"SECRET": settings.SECRET, "DESCRIBE": f"test_who.{function}"}
        assert by_session(key)[0] == 500, function


def described(user):
    return {"id": f"u{user.pk}", "shoe": 42}


async def described_later(user):
    return described(user)


def described_with_an_end(user):
    return {"id": user.pk, "exp": 1766304000}


def described_with_an_origin(user):
    return {"id": user.pk, "via": "newsletter"}


def described_wrongly(user):
    return {"name": "without an id"}


def test_the_authenticators_are_those_that_are_installed_or_named(settings, bea):
    key = log_in(bea).session_key
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["test_who.Keyed"]}
    header = {"authorization": "Key bea"}
    assert asked(headers=header)[0] == 401, "REST framework is not installed"
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "rest_framework"]
    for shown in [
        {"headers": header},
        {"query": {"token": "bea"}},
        {"subprotocols": {"Key": "bea"}},
        {"token": "bea"},
        {"token": "bea", "cookies": {"sessionid": "gone"}},
    ]:
        assert asked(**shown)[1]["id"] == bea.pk, shown
    for shown in [
        {"headers": {"authorization": "Key wrong"}},
        {"headers": {"authorization": "Other bea"}},
        {"query": {"token": "wrong"}},
        {"query": {"token": "a b"}},
        {"token": "wrong", "cookies": {"sessionid": "gone"}},
        {},
    ]:
        assert asked(**shown)[0] == 401, shown
    assert asked(token="forbidden")[0] == 403
    # The session comes last, and says where it was found.
    both = {"headers": {"authorization": "Key wrong"}, "cookies": {"sessionid": key}}
    assert asked(**both)[1]["via"] == "cookies.sessionid"
    assert asked(**{**both, "headers": header})[1]["via"] == "headers.authorization"
    assert "via" not in by_session(key)[1]
    # Also of several values of one part.
    assert asked(cookies={"csrftoken": "x", "sessionid": key})[1]["via"] == "cookies.sessionid"
    assert asked(query={"other": "wrong", "token": "bea"})[1]["via"] == "query.token"
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["test_who.Silent"]}
    assert [asked(query={"token": token})[0] for token in ("bea", "wrong")] == [200, 401]
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["test_who.Keyed"]}
    # A password of the site in front does not hide the token.
    behind = {"headers": {"authorization": "Basic eDp5"}, "query": {"token": "bea"}}
    assert asked(**behind)[1]["via"] == "query.token"


@pytest.mark.parametrize("text", ["€", "bea\t", " bea", "bea\x00", "béa", "\x00", "x" * 5000])
def test_a_token_that_no_header_could_have_is_not_valid(text, settings, bea):
    """REST framework would fail with 500, or take another spelling of the token, by which no order finds it."""
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["test_who.Keyed"]}
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "rest_framework"]
    for shown in ({"token": text}, {"query": {"token": text}}, {"subprotocols": {"Key": text}}):
        assert asked(**shown)[0] == 401, shown


@pytest.mark.parametrize("named", ["rest_framework.authentication.SessionAuthentication", "test_who.WithoutCsrf"])
def test_the_session_of_rest_framework_is_the_session(named, settings, bea):
    settings.CHANNELGATE = {"SECRET": settings.SECRET, "AUTHENTICATORS": [named]}
    key = log_in(bea).session_key
    assert by_session(key)[1]["id"] == bea.pk
    assert by_session("gone" * 8)[0] == 401


def test_a_wrong_token_beside_a_visitors_session_is_wrong(settings, bea):
    settings.CHANNELGATE = {"SECRET": settings.SECRET, "AUTHENTICATORS": ["test_who.ByCookie", "session"]}
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store["cart"] = [1]
    store.save()
    assert asked(cookies={"sessionid": store.session_key}) == (200, None)
    assert asked(cookies={"sessionid": store.session_key, "key": "bea"})[1]["id"] == bea.pk
    assert asked(cookies={"sessionid": store.session_key, "key": "wrong"})[0] == 401


@pytest.mark.parametrize(
    ("guest", "status"), [("401", 401), ("404", 401), ("refused", 401), ("403", 403), ("forbidden", 403), ("busy", 429)]
)
def test_a_function_refuses_as_its_authors_know_it(guest, status, settings, bea):
    settings.CHANNELGATE = {"SECRET": settings.SECRET, "AUTHENTICATORS": ["test_who.by_guest", "session"]}
    assert asked(query={"guest": guest})[0] == status
    # What is only not valid leaves the client its session.
    session = {"sessionid": log_in(bea).session_key}
    assert asked(query={"guest": guest}, cookies=session)[0] == (200 if status == 401 else status)


class AnyCase(Keyed):
    """As the tokens of REST framework in a database that does not tell capital letters from small ones."""

    def authenticate(self, request):
        words = get_authorization_header(request).decode().split()
        user = User.objects.filter(username__iexact=words[1]).first() if len(words) == 2 else None
        return (user, types.SimpleNamespace(key=user.username)) if user else None


def test_another_spelling_of_a_credential_is_not_valid(settings, bea):
    """A logout would not find the connections that were opened with it."""
    with connection.schema_editor() as editor:
        editor.create_model(loose.LooseSession)
    try:
        settings.SESSION_ENGINE = "harness.loose"
        request = HttpRequest()
        request.session, request.META = loose.SessionStore(), {}
        auth.login(request, bea, MODEL)
        request.session["_"] = "a"
        request.session.save()
        key = request.session.session_key
        assert not loose.SessionStore(key.upper()).is_empty(), "the database finds it"
        assert [by_session(one)[0] for one in (key, key.upper())] == [200, 401]
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(loose.LooseSession)
    settings.CHANNELGATE = {"SECRET": settings.SECRET, "AUTHENTICATORS": ["test_who.AnyCase"]}
    for shown in ({"token": "bea"}, {"headers": {"authorization": "Key bea"}}):
        assert asked(**shown)[0] == 200, shown
    for shown in ({"token": "Bea"}, {"headers": {"authorization": "Key BEA"}}):
        assert asked(**shown)[0] == 401, shown


def test_a_project_without_sessions_knows_none(settings, bea):
    key = log_in(bea).session_key
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django.contrib.sessions"]
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "rest_framework"]
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["test_who.Keyed"]}
    assert by_session(key)[0] == 401
    # Without any way to know somebody, the project is wrong, and not each of its clients.
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": []}
    assert asked(headers={"authorization": "Key bea"})[0] == 500
    settings.CHANNELGATE = {"SECRET": settings.SECRET, "AUTHENTICATORS": ["session"]}
    (error,) = checks.check_settings()
    assert error.id == "channelgate.E007" and "django.contrib.sessions" in error.msg


def test_a_session_of_another_kind_of_users_is_not_valid(bea):
    """As after a change of the project's user model: another kind of key."""
    session = log_in(bea, _auth_user_id="3f0c9d0e-9d0b-4a5b-8a53-0f3f1d3b1c11")
    assert by_session(session.session_key)[0] == 401


@pytest.mark.parametrize("function", [BADGE, "test_who.by_badge_async"])
def test_a_function_of_the_project_finds_the_user(function, settings, bea):
    settings.CHANNELGATE = {"SECRET": settings.SECRET, "AUTHENTICATORS": ["test_who.nobody", function, "session"]}
    assert asked(query={"badge": "bea"}) == (200, {**by_session(log_in(bea).session_key)[1], "exp": 99999999999})
    assert asked(query={"badge": "nobody"})[0] == 401
    assert asked(query={"badge": "forbidden"}) == (403, {"message": "Forbidden"})
    settings.CHANNELGATE = {"SECRET": settings.SECRET, "AUTHENTICATORS": [function]}
    assert by_session(log_in(bea).session_key)[0] == 401


async def test_every_door_answers_and_only_a_node_gets_an_answer(bea):
    session = await sync_to_async(log_in)(bea)
    body = json.dumps(question(cookies={"sessionid": session.session_key})).encode()

    def by_wsgi(headers):
        response = Client().post("/gate/who_am_i", data=body, content_type="application/json", headers=headers)
        return response.status_code, json.loads(response.content)

    for door in ("/channelgate/who_am_i", "/gate/who_am_i", None):
        for headers, status in [(signature(body), 200), ({}, 401), (signature(body, secret="wrong"), 403)]:
            if door is None:
                found, answer = await sync_to_async(by_wsgi, thread_sensitive=False)(headers)
            else:
                response = await post(application, door, body, headers)
                found, answer = response.status, json.loads(response.body)
            assert found == status, door
            # The node tells its own secret from a client's login.
            assert (answer.get("id") == bea.pk) if status == 200 else (answer["kind"] == "signature")


def test_a_question_that_is_none_is_refused():
    for data in (None, [], "x", {"cookies": []}, {"cookies": {"a": 1}}, {"token": 7}, {"headers": "x"}):
        assert answers.answer({**question(), "data": data})[0] == 400, data


def test_an_action_of_this_name_is_refused_and_never_runs(bea):
    registry.actions["who_am_i"] = Registered("who_am_i", lambda call: {"id": 0}, False, False)
    try:
        (error,) = checks.check_actions()
        assert error.id == "channelgate.E006" and "AUTHENTICATORS" in error.hint
        assert by_session(log_in(bea).session_key)[1]["id"] == bea.pk
    finally:
        del registry.actions["who_am_i"]


def test_a_fingerprint_is_the_nodes():
    # src/event/fingerprint.rs: eight bytes of SHA-256 of the kind, a zero and the text.
    assert orders.fingerprint("abc") == hashlib.sha256(b"token\x00abc").hexdigest()[:16]


def test_an_order_names_one_target_and_needs_the_layer_of_the_nodes():
    for wrong in ({}, {"user": 7, "token": "x"}):
        with pytest.raises(TypeError, match="one of user, session, token, jti and socket"):
            disconnect(**wrong)
    with pytest.raises(ImproperlyConfigured, match="channels_redis"):
        disconnect(user=7)


def test_an_order_names_a_user_as_join_and_leave_do(bea, monkeypatch):
    orders_given = []
    monkeypatch.setattr(orders, "send", orders_given.append)
    for user in (bea, bea.pk, str(bea.pk), {"id": bea.pk}):
        disconnect(user)
    assert orders_given == [{"user": str(bea.pk)}] * 4
    with pytest.raises(ValueError, match="anonymous"):
        disconnect(AnonymousUser())
    with pytest.raises(TypeError, match="truth value"):
        disconnect(True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"session": ""},
        {"token": "  "},
        {"token": 7},
        {"session": types.SimpleNamespace(session_key="x")},
        {"user": 7, "code": 1005},
        {"user": 7, "code": 999},
        {"user": 7, "code": "4403"},
        {"user": 7, "code": True},
        {"user": 7, "code": 4403.0},
        {"user": 7, "reason": "é" * 62},
        {"user": 7, "reason": 7},
        {"user": 7, "reconnect": "yes"},
    ],
)
def test_an_order_that_nodes_would_ignore_is_an_error(wrong, monkeypatch):
    """They count and log it, which its author does not see."""
    monkeypatch.setattr(orders, "exchange", pytest.fail)
    with pytest.raises((TypeError, ValueError), match=r"code|reason|reconnect|session|token"):
        disconnect(**wrong)


def test_a_token_may_be_written_as_in_its_header(monkeypatch):
    given = []
    monkeypatch.setattr(orders, "send", lambda order: given.append(order["fingerprint"]))
    for token in ("abc", "Token abc", " abc "):
        disconnect(token=token)
    assert given == [orders.fingerprint("abc")] * 3


def test_a_logout_never_fails_for_the_nodes(settings, bea, caplog):
    """Here no node is reachable."""
    for layer in (
        {},
        {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": ["redis://127.0.0.1:1"]}}},
    ):
        settings.CHANNEL_LAYERS = layer
        request = HttpRequest()
        request.session, request.user = log_in(bea), bea
        auth.logout(request)
        assert request.session.session_key is None
    assert "could not be passed on" in caplog.text
