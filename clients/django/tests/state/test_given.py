"""What Channels' middleware gave the scope is written anew only if a handler has changed something of it."""

import copy

import pytest
from channels.auth import UserLazyObject
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.utils.functional import LazyObject
from harness.keeping import captured, made, same
from library.models import Author, Book, Member, Shelf

from channelgate.bridge.state import GIVEN, Baseline, restore, seal, sealing, unseal
from channelgate.bridge.state.sealing import GIVEN_TEXT


def lazy(kind, value):
    out = kind()
    out._wrapped = value
    return out


def scope():
    session = SessionStore("key")
    session._session_cache = {"flag": 1, "cart": [1, 2], "deep": {"a": {"b": []}}}
    member = Member.objects.create_user(f"member{Member.objects.count()}", password="secret of theirs")
    author = Author(pk=7, name="Ann")
    author._state.adding = False
    member.author = author
    return {
        "cookies": {"sessionid": "key"},
        "session": lazy(LazyObject, session),
        "user": lazy(UserLazyObject, member),
        "path_remaining": "",
        "url_route": {"args": (), "kwargs": {"room": "7", "list": [1]}},
        "tenant": {"own": [1]},
    }


def restored(first):
    """The consumer of the next call, its baseline, and what capture() takes."""
    consumer, baseline = made(value=[first["user"]], mine=first.get("session"))
    consumer.scope = first
    # The kinds are met before, as in a process that runs for a while.
    captured(consumer, baseline)
    payload = unseal(seal(captured(consumer, baseline), connection="c", seq=0, limit=1 << 20), connection="c", seq=1)
    again = type(consumer)()
    baseline = Baseline(again)
    again.scope = {}
    restore(again, payload, scope=again.scope)
    return again, baseline, payload[GIVEN]


def texts(payload):
    """Whether the text was taken over, and the state's texts."""
    return GIVEN_TEXT in payload, sealing._texts(copy.deepcopy(payload))


def test_what_nobody_changed_is_taken_over_as_it_would_be_written():
    first = scope()
    consumer, baseline, given = restored(first)
    assert same(dict(first["session"].items()), dict(consumer.scope["session"]._wrapped._session_cache))
    taken, written = texts(captured(consumer, baseline, given=given)), texts(captured(consumer, baseline))
    assert (taken[0], written[0]) == (True, False)
    assert taken[1] == written[1]
    assert consumer.value[0] is consumer.scope["user"] and consumer.mine is consumer.scope["session"]


def _swap(scope):
    scope["user"]._wrapped = AnonymousUser()


CHANGES = {
    "a number becomes its truth value": lambda s: s["session"]._wrapped._session_cache.update(flag=True),
    "a list grows": lambda s: s["session"]._wrapped._session_cache["cart"].append(3),
    "a deep list grows": lambda s: s["session"]._wrapped._session_cache["deep"]["a"]["b"].append(1),
    "the session was read": lambda s: s["session"]["flag"],
    "the session has a key more": lambda s: s["session"].update({"more": 1}),
    "the session lost a key": lambda s: s["session"]._wrapped._session_cache.pop("flag"),
    "a field of the user": lambda s: setattr(s["user"], "first_name", "Bo"),
    "an attribute of the user": lambda s: setattr(s["user"], "level", 3),
    "an object hung on the user": lambda s: setattr(s["user"].author, "name", "Eve"),
    "the user's password was read": lambda s: s["user"].password,
    "the user is not saved any more": lambda s: setattr(s["user"]._state, "adding", True),
    "another user": _swap,
    "no user": lambda s: s.pop("user"),
    "another order": lambda s: s["url_route"].update(args=s["url_route"].pop("args")),
    "a deep list of the route": lambda s: s["url_route"]["kwargs"]["list"].clear(),
    "another cookie": lambda s: s["cookies"].update(a="b"),
    "the rest of the path": lambda s: s.update(path_remaining="x"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change):
    consumer, baseline, given = restored(scope())
    CHANGES[change](consumer.scope)
    taken, written = texts(captured(consumer, baseline, given=given)), texts(captured(consumer, baseline))
    assert not taken[0]
    assert taken[1] == written[1]


def test_a_value_that_could_change_unseen_is_written_anew():
    """A value of a field's own type, as a point of GeoDjango, and a set."""
    for value in (Book(pk=1, shelf=Shelf("3")), {1, 2}):
        consumer, _, given = restored({"user": value})
        assert given is None, value
        assert consumer.scope["user"] is not None
