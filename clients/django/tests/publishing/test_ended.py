"""`disconnect()`, `@disconnects` and the logout: what nodes hear, and what is kept for nodes that hear nothing.

tests/e2e/test_publishing_python.py has the nodes.
"""

import asyncio
import hashlib
import json
import time
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from harness.calm import within

from channelgate import adisconnect, disconnect, disconnects, orders

JWT = "eyJhbGciOiJIUzI1NiJ9.e30.x"


def print_of(kind, text):
    return hashlib.sha256(kind + b"\0" + text.encode()).hexdigest()[:16]


@pytest.fixture
def heard(own_server, use):
    """The orders that nodes hear."""
    use(None, REDIS_URL=own_server.url, PUBLISH={"TIMEOUT": 30})
    pubsub = own_server.client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(orders.CHANNEL)
    pubsub.get_message(timeout=30)

    def heard():
        """The next order; None if no other was given before now."""
        own_server.client.publish(orders.CHANNEL, '"now"')
        orders_heard.extend(iter(lambda: json.loads(pubsub.get_message(timeout=30)["data"]), "now"))
        return orders_heard.pop(0) if orders_heard else None

    orders_heard = []

    yield heard
    pubsub.close()


TARGETS = [
    ({"user": 7}, {"user": "7"}),
    ({"user": "auth0|1"}, {"user": "auth0|1"}),
    ({"socket": "k2Jx"}, {"socket": "k2Jx"}),
    ({"jti": "one"}, {"fingerprint": print_of(b"jti", "one")}),
    ({"session": "abc"}, {"fingerprint": print_of(b"token", "abc")}),
    ({"token": "Token abc"}, {"fingerprint": print_of(b"token", "abc")}),
    ({"token": f"Bearer {JWT}"}, {"token": JWT}),
]
ENDINGS = [
    ({}, {}),
    ({"reason": "over"}, {"reason": "over"}),
    ({"code": 4010, "reason": "ü", "reconnect": True}, {"code": 4010, "reason": "ü", "reconnect": True}),
]


@pytest.mark.parametrize(("target", "named"), TARGETS)
def test_an_order_names_its_target(target, named, heard):
    for ending, expected in ENDINGS:
        assert disconnect(**target, **ending) == 1
        assert asyncio.run(adisconnect(**target, **ending)) == 1
        for _ in range(2):
            order = heard()
            until = order.pop("until", None)
            assert order == {**named, **expected}
            hours = {"jti": 24, "session": 1}.get(next(iter(target)), 1)
            assert ("fingerprint" in named) == (until is not None)
            assert until is None or abs(until - time.time() - hours * 3600) < 60


def test_what_no_node_hears_is_kept(own_server, use):
    use(None, REDIS_URL=own_server.url)
    for target, named in TARGETS:
        own_server.client.flushall()
        assert disconnect(**target, reason="over") == 0
        kept = {
            key: [(json.loads(entry), score) for entry, score in own_server.client.zrange(key, 0, -1, withscores=True)]
            for key in (orders.DISCONNECTED, orders.REVOKED)
        }
        if "token" in named:
            assert kept == {orders.DISCONNECTED: [], orders.REVOKED: []}
            continue
        key = orders.REVOKED if "fingerprint" in named else orders.DISCONNECTED
        ((entry, score),) = kept[key]
        assert entry == {**entry, **named, "code": 4403, "reason": "over"}
        hours = 0 if key == orders.DISCONNECTED else 24 if "jti" in target else 1
        assert abs(score / 1000 - time.time() - hours * 3600) < 60
        assert abs(own_server.client.pttl(key) / 1000 - max(hours, 1) * 3600) < 60


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, TypeError),
        ({"user": 7, "token": "x"}, TypeError),
        ({"jti": "a", "socket": "b"}, TypeError),
        ({"user": AnonymousUser()}, ValueError),
        ({"user": True}, TypeError),
        ({"session": ""}, ValueError),
        ({"token": 7}, ValueError),
        ({"jti": ""}, ValueError),
        ({"jti": "x" * 256}, ValueError),
        ({"socket": 7}, ValueError),
        ({"user": 7, "code": 1005}, ValueError),
        ({"user": 7, "reason": "é" * 62}, ValueError),
        ({"user": 7, "reconnect": 1}, TypeError),
    ],
)
async def test_a_mistake_is_an_error_of_the_call(options, error, use):
    use(None, REDIS_URL="redis://127.0.0.1:1")
    with pytest.raises(error):
        await asyncio.to_thread(lambda: disconnect(**options))
    with pytest.raises(error):
        await adisconnect(**options)


async def test_a_loop_is_not_blocked(heard):
    with pytest.raises(RuntimeError, match=r"^disconnect\(\) would block this event loop: await adisconnect\(\)$"):
        disconnect(7)


def test_an_order_takes_no_longer_than_its_time(own_server, use):
    use(None, REDIS_URL=own_server.url, PUBLISH={"TIMEOUT": 1})
    own_server.freeze()
    with within(1.5), pytest.raises(Exception, match=r"[Tt]imed? ?out|in time"):
        disconnect(7)
    own_server.thaw()


@pytest.fixture
def connected():
    """Connects receivers, and takes them back at the end."""
    before = [list(signal.receivers) for signal in (post_save, post_delete)]
    yield
    for signal, receivers in zip((post_save, post_delete), before, strict=True):
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


@pytest.fixture
def carl():
    user, _ = User.objects.get_or_create(username="carl", defaults={"is_active": True})
    yield user
    User.objects.filter(username="carl").delete()


def test_a_saved_row_ends_connections_after_the_commit(heard, connected, carl):
    disconnects(User, when=lambda user: not user.is_active, reason="deactivated")
    carl.save()
    assert heard() is None
    carl.is_active = False
    with transaction.atomic():
        carl.save()
        assert heard() is None
    assert heard() == {"user": str(carl.pk), "reason": "deactivated"}
    carl.is_active = True
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        carl.is_active = False
        carl.save()
        raise ZeroDivisionError
    assert heard() is None


def test_a_deleted_row_ends_connections(heard, connected, carl):
    disconnects("auth.User", when=lambda user: False)
    identity = str(carl.pk)
    with transaction.atomic():
        carl.delete()
        assert heard() is None
    assert heard() == {"user": identity}


def test_a_function_says_whose_connections(heard, connected, carl):
    @disconnects(User, code=4001, reconnect=True)
    def owner(user):
        return None if user.first_name == "nobody" else f"owner of {user.username}"

    assert owner(carl) == "owner of carl"
    carl.save()
    assert heard() == {"user": "owner of carl", "code": 4001, "reconnect": True}
    carl.first_name = "nobody"
    carl.save()
    assert heard() is None


def test_a_row_is_saved_although_no_order_can_be_given(use, connected, carl, caplog):
    use(None, REDIS_URL="redis://127.0.0.1:1")
    disconnects(User)
    carl.save()
    assert "could not be ended" in caplog.text
    caplog.clear()
    use(None)
    carl.save()
    assert not caplog.text
    with pytest.raises(ValueError, match="reason"):
        disconnects(User, reason="x" * 124)


def test_a_logout_ends_the_connections_of_its_login(heard, settings):
    request = SimpleNamespace(
        session=SimpleNamespace(session_key="s"), COOKIES={}, META={"HTTP_AUTHORIZATION": "Token abc"}
    )
    user_logged_out.send(User, request=request, user=None)
    got = [heard(), heard()]
    assert {order["fingerprint"] for order in got} == {print_of(b"token", "s"), print_of(b"token", "abc")}
    assert {order["reason"] for order in got} == {"logged out"}
    settings.CHANNELGATE = {**settings.CHANNELGATE, "DISCONNECT_ON_LOGOUT": False}
    user_logged_out.send(User, request=request, user=None)
    assert heard() is None
