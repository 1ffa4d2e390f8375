"""What may be sent, and that a mistake is an error of the call that makes it."""

import asyncio
import datetime
import decimal
import enum
import json
import uuid

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.utils.functional import SimpleLazyObject, lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from channelgate import apublish, ato_user, publish, publish_many, to_user
from channelgate.publishing.values import group_of, message


class Color(enum.IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()

    def __str__(self):
        return "not this"


def sent(value):
    return message("g", {"type": "x", "v": value}).event["v"]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (datetime.datetime(2026, 3, 2, 9, 31, 7, 123456, datetime.timezone.utc), "2026-03-02T09:31:07.123Z"),
        (datetime.date(2026, 3, 2), "2026-03-02"),
        (datetime.time(9, 31), "09:31:00"),
        (datetime.timedelta(hours=1), "P0DT01H00M00S"),
        (decimal.Decimal("1.50"), "1.50"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (gettext_lazy("Yes"), "Yes"),
        (lazystr("lazy"), "lazy"),
        (mark_safe("<b>"), "<b>"),
        (Text("this"), "this"),
        (Color.RED, 1),
        ((1, [2.5, None]), [1, [2.5, None]]),
        ({"a": {"b": decimal.Decimal(1)}, gettext_lazy("key"): 1}, {"a": {"b": "1"}, "key": 1}),
        (2**64 - 1, 2**64 - 1),
        ("ünïcödé 🙂", "ünïcödé 🙂"),
        (True, True),
    ],
)
def test_values_are_made_plain(value, plain):
    found = sent(value)
    assert found == plain and json.loads(json.dumps(found)) == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (object(), TypeError, 'event["v"] is object'),
        ({1, 2}, TypeError, 'event["v"] is set'),
        (b"x", TypeError, 'event["v"] is bytes'),
        ([{"a": AnonymousUser()}], TypeError, 'event["v"][0]["a"] is django.contrib.auth.models.AnonymousUser'),
        ({1: 2}, TypeError, 'event["v"] has the key 1'),
        (float("nan"), ValueError, 'event["v"] is nan'),
        (2**64, ValueError, 'event["v"] has more than 64 bits'),
        (-(2**63) - 1, ValueError, 'event["v"] has more than 64 bits'),
        ("\ud800", ValueError, 'event["v"] has half of a surrogate pair'),
        (datetime.time(9, tzinfo=datetime.timezone.utc), ValueError, "timezone-aware"),
    ],
)
def test_a_value_that_cannot_be_sent_is_named(value, error, text):
    with pytest.raises(error) as raised:
        sent(value)
    assert text in str(raised.value).replace("'", '"')


EVENT = {"type": "x"}
WRONG = [
    (None, EVENT, TypeError),
    (7, EVENT, TypeError),
    ("", EVENT, ValueError),
    ("a b", EVENT, ValueError),
    ("a\n", EVENT, ValueError),
    ("ä", EVENT, ValueError),
    ("a!b", EVENT, ValueError),
    ("a" * 100, EVENT, ValueError),
    ("g", None, TypeError),
    ("g", [("type", "x")], TypeError),
    ("g", {}, ValueError),
    ("g", {"type": None}, ValueError),
    ("g", {"type": ""}, ValueError),
    ("g", {"type": "_private"}, ValueError),
    ("g", {"type": ".x"}, ValueError),
    ("g", {"type": "1x"}, ValueError),
    ("g", {"type": "order-status"}, ValueError),
    ("g", {"type": "x\n"}, ValueError),
]


@pytest.mark.parametrize(("group", "event", "error"), WRONG)
async def test_a_mistake_is_an_error_of_the_call(group, event, error, use):
    """Not of the commit, and before anything is sent: nothing is reachable here."""
    use(None, REDIS_URL="redis://127.0.0.1:1")

    def in_a_transaction():
        with transaction.atomic():
            with pytest.raises(error):
                publish(group, event)
            with pytest.raises(error):
                publish_many([("g", EVENT), (group, event)])

    await asyncio.to_thread(in_a_transaction)
    with pytest.raises(error):
        await apublish(group, event)


def test_names_at_the_limits_are_accepted():
    for group, kind in [("a" * 99, "a"), ("A-z_0.9", "order.status"), ("-", "Ünicode_2.x")]:
        assert message(group, {"type": kind}) == (group, {"type": kind})


def test_a_message_is_a_pair(use):
    use(None, REDIS_URL="redis://127.0.0.1:1")
    for wrong in (["g"], [("g",)], [("g", EVENT, 1)], [7]):
        with pytest.raises(TypeError, match="message 0: a message is a pair"):
            publish_many(wrong)


async def test_nobody_has_no_group(use):
    use(None, REDIS_URL="redis://127.0.0.1:1")
    for nobody in (None, AnonymousUser()):
        with pytest.raises(ValueError, match="anonymous"):
            await ato_user(nobody, EVENT)
    with pytest.raises(ValueError, match="anonymous"):
        await asyncio.to_thread(to_user, None, EVENT)


def test_the_group_of_a_user_is_that_of_the_node():
    """The table of docs/GROUPS.md."""
    table = {
        "7": "user_7",
        "01234567-89ab-cdef-0123-456789abcdef": "user_01234567-89ab-cdef-0123-456789abcdef",
        "bob+smith@x": "user_bob-x2bsmith-x40x",
        "auth0|1": "user_auth0-x7c1",
        "a-x41": "user_a-x2dx41",
    }
    assert {identity: group_of(identity) for identity in table} == table


def test_an_event_that_contains_itself_is_refused():
    event = {"type": "order.status"}
    event["order"] = [event]
    with pytest.raises(ValueError, match="nested too deep, or contains itself"):
        publish("order_7", event)


@pytest.mark.parametrize("one", ["text", 7, True, None, 1.5, {"a": [1]}, decimal.Decimal("1.5")])
def test_a_lazy_object_is_what_it_stands_for(one):
    lazy = SimpleLazyObject(lambda: SimpleLazyObject(lambda: one))
    sent = message("order_7", {"type": "order.status", "v": lazy, "all": [lazy]}).event
    assert sent == message("order_7", {"type": "order.status", "v": one, "all": [one]}).event
    assert type(sent["v"]) in (str, int, bool, type(None), float, dict)


def test_so_is_a_lazy_name_of_a_group():
    assert type(message(SimpleLazyObject(lambda: "order_7"), {"type": "order.status"}).group) is str
