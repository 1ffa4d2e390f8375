"""Sessions of every engine, lazy objects, and the users that token libraries make."""

from importlib import import_module

import pytest
from channels.auth import UserLazyObject
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.contrib.sessions.backends.db import SessionStore
from django.test import override_settings
from django.utils.functional import LazyObject, SimpleLazyObject
from harness.keeping import kept, made, next_call, same
from library.models import Author
from rest_framework.utils.serializer_helpers import ReturnDict, ReturnList
from rest_framework_simplejwt.models import TokenUser
from rest_framework_simplejwt.tokens import AccessToken

from channelgate.bridge.refusals import Refused

ENGINES = ("db", "cache", "cached_db", "file", "signed_cookies")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_session_of_each_engine(engine, tmp_path):
    name = f"django.contrib.sessions.backends.{engine}"
    with override_settings(SESSION_ENGINE=name, SESSION_FILE_PATH=str(tmp_path)):
        store = import_module(settings.SESSION_ENGINE).SessionStore()
        store["cart"] = [1, 2]
        store.save()
        read = type(store)(store.session_key)
        found = kept(read)
        assert (found.session_key, found.accessed, found.modified) == (read.session_key, False, False)
        assert found["cart"] == [1, 2]
        found["cart"].append(3)
        found["more"] = "unsaved"
        again = kept(found)
        assert (again.accessed, again.modified) == (True, True)
        assert dict(again.items()) == {"cart": [1, 2, 3], "more": "unsaved"}
        assert again["cart"] is again._session_cache["cart"]
        again.save()
        assert type(store)(again.session_key)["more"] == "unsaved"


def test_a_new_session_and_one_of_another_engine():
    empty = kept(SessionStore())
    assert (empty.session_key, empty.modified) == (None, False)
    empty["a"] = 1
    empty.save()
    assert empty.session_key
    other = CacheStore()
    other["x"] = 1
    assert type(kept(other)) is CacheStore
    assert kept(other)["x"] == 1
    broken = SessionStore()
    broken["rows"] = Author.objects.all()
    with pytest.raises(Refused, match=r"self\.value\['rows'\] is a QuerySet"):
        kept(broken)


def test_the_scope_that_channels_makes_stays_one_user():
    user, _ = User.objects.get_or_create(username="lena")
    lazy, session = UserLazyObject(), LazyObject()
    lazy._wrapped, session._wrapped = user, SessionStore()
    session["a"] = 1
    consumer, baseline = made(user=lazy, session=session, real=lazy._wrapped)
    consumer.scope.update(user=lazy, session=session, url_route={"args": (), "kwargs": {"room": 7}}, path_remaining="")
    again, _ = next_call(consumer, baseline)
    assert again.user is again.scope["user"]
    assert type(again.user) is UserLazyObject
    assert again.user._wrapped is again.real
    assert again.scope["session"]["a"] == 1
    assert type(again.scope["session"]) is LazyObject
    assert same(again.scope["url_route"], consumer.scope["url_route"])
    assert again.user == user


def test_lazy_objects_ready_and_not():
    calls = []

    def make():
        calls.append(1)
        return {"a": [1]}

    lazy = SimpleLazyObject(make)
    found = kept(lazy)
    assert type(found) is SimpleLazyObject
    assert found == {"a": [1]}
    assert calls == [1]
    assert type(kept(UserLazyObject())) is UserLazyObject
    with pytest.raises(Refused, match="cannot be evaluated now"):
        kept(SimpleLazyObject(lambda: 1 / 0))
    assert kept(SimpleLazyObject(AnonymousUser)).is_anonymous


def test_tokens_and_their_users():
    token = AccessToken()
    token["user_id"] = 7
    token["roles"] = ["a"]
    user = TokenUser(token)
    assert user.id == 7
    found = kept(user)
    assert (type(found), found.id, found.token.payload) == (TokenUser, 7, token.payload)
    assert kept(token).payload == token.payload
    assert str(kept(token)) == str(token)


def test_what_serializers_return_is_plain_as_their_own_pickle_is():
    one, many = ReturnDict({"a": 1}, serializer=object()), ReturnList([{"a": 1}], serializer=object())
    found = kept({"one": one, "many": many})
    assert found == {"one": {"a": 1}, "many": [{"a": 1}]}
    assert [type(value) for value in found.values()] == [dict, list]
