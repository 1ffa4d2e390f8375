"""The credentials with which doctor tries: valid ones, of which nothing is left."""

import importlib
import sys
import time

import pytest
from django.core.cache import cache

from channelgate import credentials
from channelgate.doctor.context import Context
from channelgate.doctor.logins import session_of, user
from channelgate.doctor.result import WARN
from channelgate.doctor.sockets import reaches_a_socket
from channelgate.sessions import user_of

ENGINES = ["db", "cache", "cached_db", "file", "signed_cookies"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_session_is_valid_meanwhile_and_gone_afterwards(settings, anna, engine):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    person, _ = anna
    seen = person.last_login
    with session_of(person) as key:
        found, end = user_of(key)
        assert found == person and end - time.time() <= 31
    person.refresh_from_db()
    assert person.last_login == seen
    if engine != "signed_cookies":
        assert not importlib.import_module(settings.SESSION_ENGINE).SessionStore().exists(key)


def test_a_session_is_gone_after_a_failure_too(settings, anna):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    with pytest.raises(ZeroDivisionError), session_of(anna[0]) as key:
        raise ZeroDivisionError
    assert user_of(key) == (None, None)


def test_the_user_is_the_one_of_the_option_or_the_first_active_one(anna):
    assert user(Context(user=str(anna[0].pk))) == anna[0]
    assert user(Context(user="4711")) is None
    assert user(Context()).is_active


def test_an_access_token_is_one_of_simplejwt_with_and_without_it(settings, monkeypatch):
    from rest_framework_simplejwt.tokens import AccessToken

    made = [credentials.access_token(7, 60, {"role": "admin"})]
    monkeypatch.setitem(sys.modules, "rest_framework_simplejwt.settings", None)
    made.append(credentials.access_token(7, 60, {"role": "admin"}))
    for text in made:
        token = AccessToken(text)
        assert str(token["user_id"]) == "7" and token["role"] == "admin"
        assert 30 < token["exp"] - time.time() <= 60


@pytest.mark.parametrize("form", ["opaque", "jwt"])
def test_a_ws_token_is_one_of_the_package_and_is_taken_back(settings, form):
    from channelgate.tokens import ws_token_user

    settings.CHANNELGATE = {"WS_TOKEN": {"FORM": form}}
    token = credentials.ws_token(7, 30)
    assert ws_token_user(token.text) == 7
    token.drop()
    assert ws_token_user(token.text) is None and cache.get(token.key) is None


def test_without_websockets_doctor_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "websockets.sync.client", None)
    [one] = reaches_a_socket(Context(node="http://127.0.0.1:1"))
    assert (one.status, one.next) == (WARN, "pip install 'channelgate[shadow]'")
