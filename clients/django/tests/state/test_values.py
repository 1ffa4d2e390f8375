"""Values keep their type, their value and who holds whom."""

import asyncio
import collections
import contextvars
import datetime
import decimal
import fractions
import functools
import ipaddress
import json
import logging
import pathlib
import re
import socket
import threading
import types
import uuid
import weakref
import zoneinfo

import pytest
import pytz
from asgiref.sync import AsyncToSync, async_to_sync
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django import forms
from django.conf import settings as django_settings
from django.core.cache import cache
from django.core.paginator import Paginator
from django.db import connection
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from harness.keeping import kept, made, next_call, same
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from library import consumers as c

from channelgate.bridge.refusals import Refused

UTC = datetime.timezone.utc
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")

ZONES = st.one_of(
    st.none(),
    st.just(UTC),
    st.timezones(),
    st.builds(datetime.timezone, st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23))),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.decimals(), st.uuids(), st.dates(),
    st.datetimes(timezones=ZONES), st.times(timezones=ZONES), st.timedeltas(), st.complex_numbers(), st.fractions(),
    st.sampled_from(list(c.Color)), st.sampled_from([c.Right.READ, c.Right.BOTH, c.Right(0)]), st.ip_addresses(),
    st.text(st.characters(categories=["Cs", "Cc", "Lu"]), max_size=5), st.integers(1 << 200, 1 << 400),
    st.just(c.Level.LOW), st.builds(range, st.integers(), st.integers(), st.integers(1, 9)),
)  # fmt: skip
# What a dictionary of a user may be called: our own tags as well.
KEYS = st.one_of(st.text(max_size=4), st.sampled_from(["$r", "$d", "$t", "#", "$", "$m", "__proto__"]))
HASHED = st.one_of(st.integers(), st.text(max_size=4), st.booleans(), st.none(), st.binary(max_size=4), st.uuids())


def _containers(inner):
    return st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(st.one_of(HASHED, st.tuples(HASHED, KEYS)), inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(HASHED, max_size=4),
        st.frozensets(HASHED, max_size=4),
        st.builds(collections.deque, st.lists(inner, max_size=3), st.one_of(st.none(), st.integers(3, 5))),
        st.dictionaries(KEYS, inner, max_size=3).map(collections.OrderedDict),
        st.dictionaries(KEYS, inner, max_size=3).map(lambda d: collections.defaultdict(list, d)),
        st.lists(KEYS, max_size=4).map(collections.Counter),
        st.dictionaries(KEYS, inner, max_size=3).map(c.Attributes),
        st.lists(inner, max_size=3).map(c.Words),
        st.builds(c.Player, KEYS, st.lists(inner, max_size=2), inner),
        st.builds(c.Frozen, st.integers(), inner),
        st.builds(c.Slotted, st.integers(), inner),
        st.builds(c.Point, inner, inner),
        st.builds(c.Plain, value=inner),
        st.builds(types.SimpleNamespace, a=inner),
        # The same object twice.
        inner.map(lambda x: [x, x]),
        inner.map(lambda x: {"one": x, "$r": (x, [x])}),
    )  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.recursive(SCALARS, _containers, max_leaves=12))
@example({"$r": 0})
@example({"$d": ["$r", 1]})
@example([{"$t": []}, {"$": 1}, {"#": 1}])
@example("\ud83d\ude00")
def test_every_value_comes_back_as_it_was(value):
    assert same(value, kept(kept(value)))


FALL = datetime.datetime(2026, 10, 25, 2, 30)
PZ = pytz.timezone("Europe/Berlin")


@pytest.mark.parametrize(
    "value",
    [
        10**6000, -(10**6000), 1 << 256, -0.0, float("nan"), float("-inf"), "\ud800", "\ud83d\ude00", "\x00",
        b"\xff\x00",
        bytearray(b"ab"), decimal.Decimal("NaN"), decimal.Decimal("-0E-7"), decimal.Decimal("1.50"), complex(1, -0.0),
        fractions.Fraction(1, 3), range(3, 10, 2), slice(1, None, 2), Ellipsis, NotImplemented,
        uuid.UUID(int=5), pathlib.PurePosixPath("/a/b"), pathlib.Path("/tmp"), pathlib.PureWindowsPath("c:\\x"),
        ipaddress.ip_address("::1"), ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_interface("10.1.0.1/8"),
        FALL.replace(tzinfo=BERLIN, fold=1), FALL.replace(tzinfo=BERLIN), FALL.replace(fold=1),
        FALL.replace(tzinfo=UTC),
        PZ.localize(FALL, is_dst=True), PZ.localize(FALL, is_dst=False), PZ, pytz.utc.localize(FALL), BERLIN, UTC,
        FALL.replace(tzinfo=pytz.FixedOffset(90)), datetime.datetime(2026, 1, 1, tzinfo=pytz.timezone("US/Eastern")),
        datetime.timezone(datetime.timedelta(hours=2), "X"), datetime.time(1, 2, fold=1), datetime.time(3, tzinfo=UTC),
        datetime.date(2026, 1, 2), datetime.timedelta(days=-1, microseconds=1),
        c.Color.CRIMSON, c.Right.READ | c.Right.WRITE, c.Right(0), c.Level.LOW, c.Point(1), c.Pair(1, [2]),
        c.Name("x"), c.Number(7), c.Attributes(a=1), c.Words([1]), collections.ChainMap({"a": 1}, {"b": 2}),
        types.MappingProxyType({"a": 1}), c.Plain, c.helper, json, len, dict, json.dumps,
        types.SimpleNamespace(a=1), collections.Counter("aab"), collections.OrderedDict(b=1, a=2),
        collections.deque([1, 2], maxlen=2), collections.defaultdict(None, {}), {1: "a", None: "b", (1, 2): "c"},
        {True: 1, "x": 2}, c.Frozen(1, (2,)), c.Slotted(1, [2]), [[], [[]]], {"$r": 1}, {"$d": {"$d": 1}},
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_types_of_every_kind(value):
    found = kept(value)
    assert same(value, found)
    if isinstance(value, datetime.datetime):
        assert (value.utcoffset(), value.fold, value.tzname()) == (found.utcoffset(), found.fold, found.tzname())
    if type(value) is collections.deque:
        assert found.maxlen == value.maxlen


def test_patterns_partials_loggers_and_lazy_texts():
    found = kept(re.compile("a+", re.I | re.M))
    assert (found.pattern, found.flags) == ("a+", re.compile("a+", re.I | re.M).flags)
    assert kept(re.compile(b"a", re.S)).flags == re.S
    partial = kept(functools.partial(json.dumps, {"a": 1}, indent=2))
    assert (partial.func, partial.args, partial.keywords) == (json.dumps, ({"a": 1},), {"indent": 2})
    assert kept(logging.getLogger("a.b")) is logging.getLogger("a.b")
    assert kept(logging.getLogger()) is logging.getLogger()
    adapter = kept(logging.LoggerAdapter(logging.getLogger("a.b"), {"room": 7}))
    assert adapter.logger is logging.getLogger("a.b")
    assert adapter.extra == {"room": 7}
    text = kept(gettext_lazy("Hello"))
    assert str(text) == "Hello"
    assert type(text).__name__ == "__proxy__"
    safe = kept(SafeString("<b>"))
    assert type(safe) is SafeString
    assert safe == "<b>"


def test_what_django_and_channels_give():
    query = kept(QueryDict("a=1&a=2&b=%C3%A4", mutable=True))
    assert query.urlencode() == "a=1&a=2&b=%C3%A4"
    query["c"] = "3"
    frozen = kept(QueryDict("a=1"))
    with pytest.raises(AttributeError):
        frozen["x"] = "1"
    assert kept(MultiValueDict({"a": ["1", "2"]})).getlist("a") == ["1", "2"]
    layer = get_channel_layer()
    assert kept(layer) is layer


def test_the_loop_and_ended_tasks_and_free_locks():
    async def run():
        assert kept(asyncio.get_running_loop()) is asyncio.get_running_loop()
        task = asyncio.ensure_future(asyncio.sleep(0, [5]))
        with pytest.raises(Refused, match=r"self\.value is a task that still runs") as refused:
            kept(task)
        assert refused.value.kind == "background"
        await task
        found = kept(task)
        assert found.done()
        assert found.result() == [5]
        assert await found == [5]
        gone = asyncio.ensure_future(asyncio.sleep(9))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert kept(gone).cancelled()
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(c.Trouble(4, "x"))
        error = kept(failed).exception()
        assert (type(error), str(error), error.code) == (c.Trouble, "4: x", 4)
        lock = kept(asyncio.Lock())
        async with lock:
            with pytest.raises(Refused, match="a lock that is held"):
                kept(lock)

    asyncio.run(run())


def test_cycles_and_one_object_in_two_places():
    ring: list = [1]
    ring.append(ring)
    found = kept(ring)
    assert found[1] is found
    table: dict = {"me": None}
    table["me"] = table
    found = kept([table, table])
    assert found[0] is found[1]
    assert found[0]["me"] is found[0]
    one, two = c.Player("a"), c.Player("b")
    one.friend, two.friend = two, one
    found = kept((one, [two]))
    assert found[0].friend is found[1][0]
    assert found[1][0].friend is found[0]
    slots = c.MixedSlots([1])
    slots.right = slots
    slots.extra = slots.left
    found = kept(slots)
    assert found.right is found
    assert found.extra is found.left
    assert found.private() == 1
    with pytest.raises(Refused, match="contains itself through a value"):
        inner: list = []
        outer = (inner,)
        inner.append(outer)
        kept(outer)


def test_attributes_and_the_scope_share_their_objects():
    consumer, baseline = made(cart=[1])
    consumer.scope["cart"] = consumer.cart
    consumer.more = {"cart": consumer.cart}
    again, _ = next_call(consumer, baseline)
    assert again.scope["cart"] is again.cart is again.more["cart"]


def test_methods_of_the_consumer_and_of_what_it_keeps():
    consumer, baseline = made(plain=c.Plain(value=2))
    consumer.callback = consumer.hello
    consumer.me = consumer
    consumer.handlers = {"act": consumer.plain.act, "hello": consumer.hello}
    again, _ = next_call(consumer, baseline)
    assert again.callback == again.hello
    assert again.me is again
    assert again.handlers["act"].__self__ is again.plain
    assert again.plain.twice == 4


def test_exceptions_keep_arguments_attributes_and_causes():
    try:
        try:
            raise OSError(2, "gone", "/x")
        except OSError as cause:
            raise c.Trouble(7, "seven") from cause
    except c.Trouble as trouble:
        error = trouble
    found = kept(error)
    assert (str(found), found.code, found.args) == ("7: seven", 7, ("7: seven",))
    assert (type(found.__cause__), found.__cause__.errno, found.__cause__.filename) == (FileNotFoundError, 2, "/x")
    assert type(kept(KeyError("a"))) is KeyError


def test_a_class_with_a_state_of_its_own_is_asked():
    found = kept(c.Stateful([1]))
    assert found.value == [1]
    assert not found.lock.locked()


def test_no_init_runs_when_an_object_comes_back():
    plain = c.Plain(value=1)
    before = c.Plain.made
    assert kept(plain).value == 1
    assert c.Plain.made == before


def test_objects_that_attrs_and_pydantic_make():
    packages = pytest.importorskip("library.packages", exc_type=ImportError)
    ticket = packages.Ticket(packages.Seat(1, [2]))
    found = kept([ticket, ticket.seat])
    assert found[0] == ticket
    assert found[0].seat is found[1]
    order = packages.Order(id=1, lines=[{"a": 2}])
    order._seen = {1}
    found = kept([order, order.lines])
    assert found[0] == order
    assert found[0]._seen == {1}
    assert found[0].lines is found[1]
    assert found[0].model_fields_set == {"id", "lines"}


def test_adapters_methods_of_containers_and_globals_of_django():
    consumer, baseline = made(items=[1])
    consumer.push = consumer.items.append
    consumer.publish = async_to_sync(get_channel_layer().group_send)
    consumer.lookup = database_sync_to_async(c.helper)
    consumer.settings, consumer.cache, consumer.connection = django_settings, cache, connection
    again, _ = next_call(consumer, baseline)
    again.push(2)
    assert again.items == [1, 2]
    assert type(again.publish) is AsyncToSync
    assert again.publish.awaitable == get_channel_layer().group_send
    assert again.lookup.func is c.helper
    assert (again.settings, again.cache, again.connection) == (django_settings, cache, connection)
    assert again.settings is django_settings


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: (n for n in ()), "a builtins.generator"),
        (lambda: iter([1]), "a builtins.list_iterator"),
        (lambda: threading.Thread(), "a threading.Thread"),
        (lambda: socket.socket(), "a socket.socket"),
        (lambda: contextvars.ContextVar("x"), "a _contextvars.ContextVar"),
        (lambda: weakref.ref(c.Plain()), "a weakref.ReferenceType"),
        (lambda: Paginator([1], 1), "a django.core.paginator.Paginator"),
        (lambda: forms.Form(), "a django.forms.forms.Form"),
        (lambda: type("Local", (), {})(), "a test_values.Local, a class that its module does not have under this name"),
        (lambda: memoryview(b"x"), "a builtins.memoryview"),
        (lambda: object(), "a builtins.object"),
    ],
)
def test_what_cannot_be_kept_is_named(make, text):
    with pytest.raises(Refused) as refused:
        kept([make()])
    assert refused.value.text == (
        f"library.Keeper: self.value[0] is {text}, which cannot be kept from one call to the next"
    )
