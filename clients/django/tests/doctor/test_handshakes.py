"""Which consumers doctor tries, and with which event: none on which a handshake has an effect, no group of others."""

import pytest

from channelgate.doctor.context import Context
from channelgate.doctor.expected import expected
from channelgate.doctor.handshakes import (
    Try,
    any_path,
    bearer,
    is_harmless,
    origin,
    session,
    tries,
    turned_away,
    ws_token,
)
from channelgate.nodefile import Consumer, NodeFile

ORDERS = {
    "path": "/ws/orders/<int:id>/",
    "auth": ["django"],
    "groups": ["order_{{ route.id }}"],
    "on_event": {"order.status": {"send": "{'type': 'order', 'status': event.status}"}},
}


def context(*consumers, **options) -> Context:
    tables = {"consumer": list(consumers), **options.pop("tables", {})}
    return Context(node="http://127.0.0.1:1", node_file=NodeFile(None, tables), **options)


@pytest.mark.parametrize(
    "more",
    [
        {"django": True},
        {"on_admit": {"call": {"action": "a"}}},
        {"on_admit": [{"require": "user.is_staff"}, {"when": "1", "call": {"action": "a"}}]},
        {"on_connect": {"call": {"action": "a"}}},
        {"on_connect": [{"reply": "1"}, {"publish": {"group": "a"}}]},
        {"on_disconnect": {"call": {"action": "a"}}},
        {"presence": {"member": "user.id"}},
        {"on_online": {"reply": "1"}},
        {"export": ["self.a"]},
        {"protocol": "socket.io"},
        {"a_key_of_a_later_release": 1},
    ],
)
def test_a_consumer_that_does_anything_at_a_connect_is_not_tried(more):
    assert is_harmless(Consumer(ORDERS))
    assert not is_harmless(Consumer({**ORDERS, **more}))
    assert list(tries(context({**ORDERS, **more}))) == []


def test_a_greeting_is_harmless():
    assert is_harmless(Consumer({**ORDERS, "on_connect": {"reply": "{'hello': true}"}}))


def test_a_condition_on_the_user_is_harmless_and_tried_after_the_others():
    staff = {**ORDERS, "path": "/ws/staff/", "on_admit": {"require": "user.is_staff"}}
    assert [one.consumer.name for one in tries(context(staff, ORDERS))] == [ORDERS["path"], "/ws/staff/"]


def test_a_path_of_the_options_is_tried_whatever_its_consumer_does():
    [one] = tries(context({**ORDERS, "django": True}, allowed_paths=("/ws/orders/7/?x=1", "/other/")))
    assert one.path == "/ws/orders/7/?x=1"


def test_the_path_of_a_client_without_a_credential_is_one_that_refuses_it():
    free = {"path": "/ws/free/"}
    assert [one.consumer.name for one in turned_away(context(free, ORDERS))] == [ORDERS["path"]]
    assert any_path(context({**free, "django": True}, ORDERS)).consumer.name == ORDERS["path"]
    assert any_path(context({**free, "django": True})).path == "/ws/free/"
    assert any_path(context({"path": "/socket.io/", "protocol": "socket.io"})) is None


MARK = "doctor 1"


def foreseen(route=None, user=None, **changes):
    return expected(Try(Consumer({**ORDERS, **changes}), "", {"id": "42"} if route is None else route), user, MARK)


def test_the_event_is_for_a_group_with_a_made_up_value():
    found = foreseen()
    assert (found.group, found.event) == ("order_42", {"type": "order.status", "status": MARK})
    assert foreseen(groups=["news", "user_{{ user.id }}"], user="u1").group == "user_u1"
    # A group of everybody, one of a user of the project, and one that is not known.
    for groups in (
        ["news"],
        ["user_{{ user.id }}"],
        ["order_{{ route.id | slug }}"],
        ["x_{{ route.id }}_{{ vars.y }}"],
    ):
        assert foreseen(groups=groups) is None, groups


@pytest.mark.parametrize(
    ("handler", "event"),
    [
        ({"send": "{'a': {'b': event.a.b}, 'c': event.c}"}, {"a": {"b": MARK}, "c": MARK}),
        ({"send": "event"}, {"doctor": MARK}),
        ({"send": "{'type': 'x', 'at': now()}"}, None),
        ({"send": "{'x': event.x | round}"}, None),
        ({"send": "{'x': event.x}", "when": "event.y"}, None),
        ({"send": "{'x': event.x}", "close": 4000}, None),
        ({"send": "{'x': event.x}", "python_per": "room"}, None),
        ({"send": ["{'x': event.x}"]}, None),
        ({"send": "{'x': user.name}"}, None),
        ({"send": "{'x': event.x, 'y': event.x.y}"}, None),
        ({"send": "{'x'"}, None),
        ({}, None),
    ],
)
def test_the_event_has_what_the_handler_needs_and_a_mark_that_is_seen_in_the_frame(handler, event):
    found = foreseen(on_event={"t": handler})
    assert (found and dict(found.event)) == (event and {"type": "t", **event})


def test_the_first_handler_that_can_be_foreseen_is_taken():
    handlers = {"a": {"send": "{'n': event.n | round}"}, "*": {"send": "event"}}
    assert foreseen(on_event=handlers).event == {"type": "channelgate.doctor", "doctor": MARK}


@pytest.mark.parametrize(
    ("sources", "path", "headers"),
    [
        (None, "/a/?token=t", {}),
        (["header"], "/a/", {"Authorization": "Bearer t"}),
        (["cookie:jwt"], "/a/", {"Cookie": "jwt=t"}),
        (["subprotocol", "query:jwt"], "/a/?jwt=t", {}),
        ("header", "/a/", {"Authorization": "Bearer t"}),
    ],
)
def test_a_token_is_where_the_node_looks_for_it(sources, path, headers):
    tables = {} if sources is None else {"auth": {"jwt": {"sources": sources}, "ws_token": {"sources": sources}}}
    for placed in (bearer, ws_token):
        credential = placed(context(tables=tables), "t")
        assert (credential.path("/a/"), dict(credential.headers)) == (path, headers)


def test_a_session_has_the_name_of_the_settings(settings):
    settings.SESSION_COOKIE_NAME = "shop"
    assert session("k").headers == {"Cookie": "shop=k"}


def test_the_origin_is_a_page_of_the_project(settings):
    one = context(ORDERS)
    settings.ALLOWED_HOSTS = ["*", ".example.com"]
    assert origin(one) == "http://127.0.0.1:1"
    settings.ALLOWED_HOSTS = ["*", ".example.com", "shop.example.com"]
    assert origin(one) == "http://shop.example.com"
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.com", "https://a.example.com"]
    assert origin(one) == "https://a.example.com"
    assert origin(context(ORDERS, site="http://b.example.com/")) == "http://b.example.com"
