"""What __init__ makes anew is left out as long as nobody changed it; all else of __init__ is kept as it was."""

import asyncio
import collections
import io
import itertools
import threading
import uuid

import pytest
from channels.generic.websocket import AsyncWebsocketConsumer
from harness.keeping import captured, made, next_call
from library.consumers import Keeper, Maker, Plain, Pool

from channelgate.bridge.refusals import Refused, Restart
from channelgate.bridge.state import Baseline, restore


def test_locks_and_clients_of_init_are_left_to_the_next_init():
    consumer, baseline = made(Maker)
    payload = captured(consumer, baseline)
    assert not {"lock", "ready"} & payload["a"].keys()
    again, _ = next_call(consumer, baseline)
    assert again.lock is not consumer.lock
    assert type(again.lock) is asyncio.Lock
    assert type(again.pool) is Pool
    assert type(again.pool.queue) is asyncio.Queue


def test_data_of_init_is_kept_even_if_nobody_changed_it():
    consumer, baseline = made(Maker)
    again, fresh = next_call(*next_call(consumer, baseline))
    assert again.token == consumer.token
    assert isinstance(again.token, uuid.UUID)
    assert fresh.names == baseline.names


def test_a_change_in_place_is_kept_beside_what_init_makes_anew():
    consumer, baseline = made(Maker)
    consumer.pool.connected = True
    consumer.pool.names.append("a")
    consumer.messages.append({"n": 1})
    consumer.again = consumer.pool.queue
    again, _ = next_call(consumer, baseline)
    assert again.pool.connected
    assert again.pool.names == ["a"]
    assert again.messages == [{"n": 1}]
    assert type(again.pool.queue) is asyncio.Queue
    assert again.again is again.pool.queue
    assert type(again.locks["a"]) is asyncio.Condition


def test_an_attribute_that_is_gone_stays_gone():
    consumer, baseline = made(Maker)
    del consumer.dropped
    again, fresh = next_call(consumer, baseline)
    assert not hasattr(again, "dropped")
    assert not hasattr(next_call(again, fresh)[0], "dropped")


class Changing(AsyncWebsocketConsumer):
    """One of each kind that changes without a new attribute."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.event = asyncio.Event()
        self.thread_event = threading.Event()
        self.queue = asyncio.Queue()
        self.semaphore = asyncio.Semaphore(2)
        self.buffer = io.BytesIO()
        self.counter = itertools.count()
        self.local = threading.local()
        self.nested = {"pool": [Pool()]}


CHANGES = {
    "event": lambda c: c.event.set(),
    "thread_event": lambda c: c.thread_event.set(),
    "queue": lambda c: c.queue.put_nowait(1),
    "semaphore": lambda c: asyncio.run(c.semaphore.acquire()),
    "buffer": lambda c: c.buffer.write(b"x"),
    "counter": lambda c: next(c.counter),
    "local": lambda c: setattr(c.local, "x", 1),
    "nested['pool'][0].queue": lambda c: c.nested["pool"][0].queue.put_nowait(1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_handler_changed_in_an_object_of_init_is_refused_by_name(name):
    consumer, baseline = made(Changing)
    next_call(consumer, baseline)
    CHANGES[name](consumer)
    with pytest.raises(Refused) as refused:
        captured(consumer, baseline)
    assert f": self.{name} is a" in refused.value.text
    assert "that __init__ made and a handler has changed since" in refused.value.text
    assert refused.value.kind == "state"


class Iterating(AsyncWebsocketConsumer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.turns = itertools.cycle("ab")


class Generating(AsyncWebsocketConsumer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.numbers = (n for n in range(3))


def test_an_iterator_that_does_not_show_its_place_is_refused_from_the_start():
    with pytest.raises(Refused, match=r"self\.turns is an itertools\.cycle, which cannot be kept"):
        captured(*made(Iterating))
    consumer, baseline = made(Generating)
    next_call(consumer, baseline)
    next(consumer.numbers)
    with pytest.raises(Refused, match=r"self\.numbers is a builtins\.generator that __init__ made"):
        captured(consumer, baseline)


def test_an_object_that_a_handler_made_is_refused_with_the_text_of_the_contract():
    consumer, baseline = made(disconnect_event=asyncio.Event())
    with pytest.raises(Refused) as refused:
        captured(consumer, baseline)
    assert (refused.value.kind, refused.value.text) == (
        "state",
        "library.Keeper: self.disconnect_event is an asyncio.locks.Event, "
        "which cannot be kept from one call to the next",
    )
    consumer, baseline = made(rooms={"a": [Plain(value={1: Plain(file=io.StringIO())})]})
    with pytest.raises(Refused, match=r"self\.rooms\['a'\]\[0\]\.value\[1\]\.file is an _io\.StringIO"):
        captured(consumer, baseline)
    consumer, baseline = made()
    consumer.scope["client_lib"] = io.StringIO()
    with pytest.raises(Refused, match=r"library\.Keeper: scope\['client_lib'\] is an _io\.StringIO"):
        captured(consumer, baseline)


def test_another_consumer_is_refused():
    with pytest.raises(Refused, match=r"self\.partner is a library\.consumers\.Keeper, which cannot be kept"):
        captured(*made(partner=Keeper()))


def test_nesting_is_bounded_and_says_so():
    deep: list = []
    for _ in range(90):
        deep = [deep]
    consumer, baseline = made(deep=deep)
    assert str(next_call(consumer, baseline)[0].deep) == str(deep)
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(Refused, match="is nested more than 100 levels deep"):
        captured(*made(deep=deep))


def test_a_baseline_holds_on_to_nothing_of_plain_consumers():
    assert Baseline(Keeper()).found == {}


class Loaded(AsyncWebsocketConsumer):
    """Loads much in __init__: tables, a text."""

    version = 1

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.words = {f"word {n}": [n, {"v": self.version}] for n in range(3000)}
        self.text = "x" * 100_000
        self.tables = {"a": list(range(20_000)), "lock": threading.Event()}


def test_large_data_of_init_stays_at_home_until_somebody_changes_it(monkeypatch):
    consumer, baseline = made(Loaded)
    consumer.alias = consumer.words
    payload = captured(consumer, baseline)
    assert len(str(payload)) < 1000
    again, fresh = next_call(consumer, baseline)
    assert again.alias is again.words
    assert again.words == consumer.words
    assert again.text == consumer.text
    again.words["new"] = 1
    third, _ = next_call(again, fresh)
    assert third.words == {**consumer.words, "new": 1}
    assert third.alias is third.words
    payload = captured(consumer, baseline)
    monkeypatch.setattr(Loaded, "version", 2)
    with pytest.raises(Restart, match=r"__init__ makes another self\.words now"):
        restore(Loaded(), payload, scope={})


class Tables(AsyncWebsocketConsumer):
    """Functions that only __init__ can make."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.counts = collections.defaultdict(lambda: collections.defaultdict(set))
        self.actions = {"double": lambda x: 2 * x}
        self.act = lambda: self


def test_functions_of_init_are_left_to_the_next_init():
    consumer, baseline = made(Tables)
    consumer.counts["a"]["b"].add(1)
    again, _ = next_call(consumer, baseline)
    assert again.counts == {"a": {"b": {1}}}
    assert again.counts["new"]["x"] == set()
    assert again.actions["double"](2) == 4
    assert again.act() is again
    consumer, baseline = made(counts=collections.defaultdict(lambda: 0))
    with pytest.raises(Refused, match=r"self\.counts\.default_factory is the function .*<lambda>, which its module"):
        captured(consumer, baseline)
