"""ws-tokens: made, read and revoked as nodes do it, and the view that gives them to pages."""

import base64
import json
import subprocess
import sys
import time

import jwt as pyjwt
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache, caches
from django.test import RequestFactory

from channelgate.tokens import jwt as ours
from channelgate.tokens import plain_view, revoke_ws_token, ws_token, ws_token_user

OPAQUE, JWT = {"FORM": "opaque"}, {"FORM": "jwt"}


@pytest.fixture(autouse=True)
def empty():
    for one in caches.all():
        one.clear()


def use(settings, **options):
    settings.CHANNELGATE = {"WS_TOKEN": options}


def test_an_opaque_token_has_what_nodes_know_of_the_user(anna):
    user, _ = anna
    token = ws_token(user)
    assert len(token) >= 43 and token.replace("-", "").replace("_", "").isalnum()
    assert cache.get(f"ws_token_{token}") == {
        "id": user.pk,
        "name": "anna",
        "is_staff": False,
        "is_superuser": False,
    }
    assert ws_token_user(token) == user.pk and ws_token(user) != token


def test_a_jwt_is_one_that_others_read(anna, settings):
    use(settings, **JWT, LIFETIME=60)
    user, _ = anna
    token = ws_token(user)
    claims = pyjwt.decode(token, django_settings.SECRET_KEY, algorithms=["HS256"], options={"require": ["exp"]})
    assert (claims["user_id"], claims["type"]) == (user.pk, "ws_token")
    assert 30 <= claims["exp"] - time.time() <= 60
    assert cache.get(f"ws_token_{user.pk}") == token
    assert ws_token_user(token) == user.pk
    newer = ws_token(user)
    assert newer != token and ws_token_user(token) is None and ws_token_user(newer) == user.pk


def test_an_id_is_enough(settings):
    for options in (OPAQUE, JWT):
        use(settings, **options)
        assert ws_token_user(ws_token(7)) == 7
        assert ws_token_user(ws_token("auth0|1")) == "auth0|1"
        for nobody in (None, AnonymousUser()):
            with pytest.raises(ValueError, match="anonymous"):
                ws_token(nobody)


def test_a_token_ends(settings, monkeypatch):
    for options in (OPAQUE, JWT):
        use(settings, **options, LIFETIME=60)
        token = ws_token(7)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda now=now: now + 61)
        assert ws_token_user(token) is None
        monkeypatch.undo()


def test_a_single_use_is_one(settings):
    for options in (OPAQUE, JWT):
        use(settings, **options, SINGLE_USE=True)
        token = ws_token(7)
        assert [ws_token_user(token), ws_token_user(token)] == [7, None]


def test_the_cache_is_that_of_the_setting(settings):
    use(settings, CACHE="replays")
    token = ws_token(7)
    assert caches["replays"].get(f"ws_token_{token}") == {"id": 7} and cache.get(f"ws_token_{token}") is None
    assert ws_token_user(token) == 7


def test_a_revoked_token_is_nobodys(settings):
    token, other = ws_token(7), ws_token(7)
    assert revoke_ws_token(token) and not revoke_ws_token(token)
    assert (ws_token_user(token), ws_token_user(other)) == (None, 7)
    with pytest.raises(ValueError, match="disconnect"):
        revoke_ws_token(user=7)
    use(settings, **JWT)
    old, new = ws_token(7), ws_token(7)
    assert not revoke_ws_token(old) and ws_token_user(new) == 7
    assert revoke_ws_token(new) and ws_token_user(new) is None
    newest = ws_token(7)
    assert revoke_ws_token(user=7) and ws_token_user(newest) is None
    for wrong in ({}, {"token": "x", "user": 7}):
        with pytest.raises(TypeError):
            revoke_ws_token(**wrong)


def test_a_secret_is_exchanged(settings):
    use(settings, **JWT)
    token = ws_token(7)
    old = django_settings.SECRET_KEY
    settings.SECRET_KEY = "another one"
    assert ws_token_user(token) is None
    settings.SECRET_KEY_FALLBACKS = [old]
    assert ws_token_user(token) == 7


def forged(header=None, **claims):
    claims = {"user_id": 7, "type": "ws_token", "exp": int(time.time()) + 60, **claims}
    key = django_settings.SECRET_KEY
    return pyjwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm="HS256", headers=header)


def test_what_is_not_a_token_is_nobodys(settings):
    use(settings, **JWT)
    unsigned = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "none"}, {"user_id": 7, "type": "ws_token", "exp": 2**40})
    )
    wrong = ["", "x", "..", "a.b.c", "ü", "a b", "7", f"{unsigned}.", forged(exp=None), forged(type="access")]
    wrong += [forged(user_id=None), forged(exp=1), forged(exp="9" * 12), forged(exp=True), forged() + "x", None, 7]
    for token in wrong:
        cache.set("ws_token_7", token)
        assert ws_token_user(token) is None, token
    good = forged()
    cache.set("ws_token_7", good)
    assert ws_token_user(good) == 7 and ours.opened(good)["user_id"] == 7
    use(settings, **OPAQUE)
    # The key of the other form is a user's, which a client could name.
    assert ws_token_user("7") is None and ws_token_user(good) is None


def test_the_view_of_the_session(anna):
    view = plain_view.WsTokenView.as_view()
    request = RequestFactory().get("/")
    for user in (None, AnonymousUser()):
        if user is not None:
            request.user = user
        answer = view(request)
        assert answer.status_code == 401 and "detail" in json.loads(answer.content)
    request.user = anna[0]
    answer = view(request)
    assert (answer.status_code, json.loads(answer.content)["expires_in"]) == (200, 1800)
    assert ws_token_user(json.loads(answer.content)["ws_token"]) == anna[0].pk
    assert "no-store" in answer["Cache-Control"]
    assert view(RequestFactory().post("/")).status_code == 405


REST = """
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 50, DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "channelgate"],
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": %r, "DEFAULT_RENDERER_CLASSES":
                    ["rest_framework.renderers.JSONRenderer"]},
)
from channelgate.tokens import ws_token_user  # before the apps are loaded
django.setup()
from django.contrib.auth.models import User
from django.test import RequestFactory
from rest_framework.authentication import BaseAuthentication
from rest_framework.views import APIView
from channelgate.tokens import WsTokenView
assert issubclass(WsTokenView, APIView) and set(WsTokenView.serializer_class().fields) == {"ws_token", "expires_in"}
view = WsTokenView.as_view()
answer = view(RequestFactory().get("/")).render()
assert answer.status_code == 401 and answer["WWW-Authenticate"], answer.content
request = RequestFactory().get("/")
request.user = User(pk=7, username="anna")
answer = view(request).render()
assert answer.status_code == 200 and ws_token_user(answer.data["ws_token"]) == 7
assert answer.data["expires_in"] == 1800 and "no-store" in answer["Cache-Control"]
"""


@pytest.mark.parametrize("named", ["SessionAuthentication", "TokenAuthentication"])
def test_the_view_of_rest_framework(named):
    pytest.importorskip("rest_framework")
    script = REST % [f"rest_framework.authentication.{named}"]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_without_rest_framework_it_is_djangos():
    from channelgate import tokens

    assert tokens.WsTokenView is plain_view.WsTokenView
    with pytest.raises(AttributeError):
        tokens.nothing  # noqa: B018


@pytest.mark.parametrize("part", [0, 1])
def test_nothing_of_a_token_is_read_before_its_signature(part, settings):
    use(settings, **JWT)
    deep = base64.urlsafe_b64encode(b"[" * 100_000).decode()
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode() for one in (ours.HEADER, {})]
    parts[part] = deep
    token = ".".join([*parts, "AAAA"])
    assert ws_token_user(token) is None and revoke_ws_token(token) is False
