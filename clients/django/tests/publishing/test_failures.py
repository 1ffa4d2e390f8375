"""Redis away, frozen and back: no call waits longer than `TIMEOUT`, and each loss is told."""

import asyncio
import itertools
import threading
import time

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from harness.calm import within
from harness.server import Consumer, Node, until

from channelgate import NotPublished, apublish, publish, publish_failed, publish_many
from channelgate.publishing import attempts

from .conftest import CORE, PUBSUB, layer_of

TIMEOUT = 0.6
#: The machine may be busy: what a call takes beyond its time, in seconds.
SLACK = 1.0
EVENT = {"type": "note", "name": "x"}
WAYS = ["core", "pubsub", "redis"]


@pytest.fixture(params=WAYS)
def way(request, own_server, use):
    """Settings for one way to a Redis of the test's own."""

    def way(**more):
        settings = {"PUBLISH": {"TIMEOUT": TIMEOUT, **more}}
        if request.param == "redis":
            use(None, REDIS_URL=own_server.url, **settings)
        else:
            use(layer_of(own_server, CORE if request.param == "core" else PUBSUB), **settings)

    way.name = "redis" if request.param == "redis" else "layer"
    return way


@pytest.fixture
def losses():
    """What the signal tells."""
    found = []

    def receiver(sender, group, event, error, **_):
        found.append((group, event, error))

    publish_failed.connect(receiver)
    yield found
    publish_failed.disconnect(receiver)


def is_sent(name, losses):
    """Publishes once. After an outage calls have less time for a while: on a busy machine too little."""
    before = len(losses)
    publish("g", {**EVENT, "name": name})
    return len(losses) == before


def reach(losses):
    """Publishes until it arrives: the first time, a busy machine may need longer than the tests give a call."""
    until(lambda: is_sent("first", losses))
    losses.clear()


def heard(server, way):
    """What hears the messages of this way."""
    if way.name == "redis":
        return Node(server, "g")
    from django.conf import settings

    return Consumer(settings.CHANNEL_LAYERS["default"], "g")


def test_redis_is_killed_and_comes_back(way, own_server, losses, caplog, monkeypatch):
    seconds = []
    asked = attempts.Attempts.again

    def again(self):
        answer = asked(self)
        if answer:
            seconds.append(time.monotonic())
        return answer

    monkeypatch.setattr(attempts.Attempts, "again", again)
    way()
    reach(losses)
    caplog.clear()
    seconds.clear()
    own_server.kill()
    with within(TIMEOUT + SLACK):
        publish("g", {**EVENT, "name": "lost"})
    ((group, event, error),) = losses
    assert (group, event["name"]) == ("g", "lost") and isinstance(error, Exception)
    (record,) = [one for one in caplog.records if one.name == "channelgate.publishing"]
    assert record.getMessage().startswith(f"1 message(s) for g could not be sent ({way.name}): ConnectionError: ")
    # The next ones of a view do not wait for a second attempt each: one does, in each time that a call may take.
    for _ in range(60):
        publish("g", EVENT)
    assert seconds and all(later - one > TIMEOUT for one, later in itertools.pairwise(seconds))
    own_server.start()
    listener = heard(own_server, way)
    assert len(losses) == 61
    until(lambda: is_sent("back", losses))
    assert listener.next()["name"] == "back"
    listener.close()


def test_a_restart_between_two_messages_is_not_noticed(way, own_server, losses):
    """The connections that stayed open are gone, without the process knowing it."""
    way(TIMEOUT=30)
    publish("g", EVENT)
    own_server.kill()
    own_server.start()
    listener = heard(own_server, way)
    publish("g", {**EVENT, "name": "after"})
    assert listener.next()["name"] == "after"
    listener.close()
    assert not losses


def test_a_frozen_redis_takes_the_timeout_and_no_more(way, own_server, losses):
    way()
    reach(losses)
    own_server.freeze()
    with within(TIMEOUT + SLACK):
        publish("g", EVENT)
    assert len(losses) == 1
    # The next ones of a view do not wait as long each.
    with within(TIMEOUT + SLACK):
        for _ in range(5):
            publish("g", EVENT)
    own_server.thaw()
    listener = heard(own_server, way)
    assert len(losses) == 6
    until(lambda: is_sent("back", losses))
    names = []
    while "back" not in names:
        names.append(listener.next()["name"])
    listener.close()
    assert way.name not in attempts._until


def test_a_frozen_redis_that_was_never_reached(way, own_server, losses):
    way()
    own_server.freeze()
    with within(TIMEOUT + SLACK):
        publish_many([("g", EVENT)] * 300)
    assert len(losses) == 300


def test_a_redis_that_is_slow_has_the_whole_time(way, own_server, losses):
    way(TIMEOUT=8)
    publish("g", EVENT)
    own_server.freeze()
    thawing = threading.Timer(4.2, own_server.thaw)
    thawing.start()
    publish("g", EVENT)
    thawing.join()
    assert not losses


def test_redis_comes_back_between_the_two_attempts(way, own_server, losses, monkeypatch):
    way(TIMEOUT=30)
    publish("g", EVENT)
    own_server.kill()
    asked = attempts.Attempts.again

    def again(self):
        answer = asked(self)
        own_server.start()
        return answer

    monkeypatch.setattr(attempts.Attempts, "again", again)
    publish("g", EVENT)
    assert not losses


def test_an_error_is_the_callers_if_the_setting_says_so(way, own_server):
    way(ON_ERROR="raise")
    own_server.kill()
    with pytest.raises(NotPublished, match=r"^1 message\(s\) for g could not be sent") as raised:
        publish("g", EVENT)
    assert raised.value.__cause__ is not None
    with pytest.raises(NotPublished):
        asyncio.run(apublish("g", EVENT))
    with transaction.atomic():
        publish("g", EVENT)
    own_server.start()


async def test_asynchronous_code_waits_no_longer(way, own_server, losses):
    await asyncio.to_thread(way)
    await asyncio.to_thread(reach, losses)
    own_server.freeze()
    with within(TIMEOUT + SLACK):
        await asyncio.gather(*[apublish("g", EVENT) for _ in range(20)])
    own_server.thaw()
    assert len(losses) == 20


def test_threads_wait_no_longer_when_all_connections_are_stuck(way, own_server, losses):
    way(CONNECTIONS=2)
    reach(losses)
    own_server.freeze()
    threads = [threading.Thread(target=publish, args=("g", EVENT)) for _ in range(12)]
    with within(TIMEOUT + SLACK):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    own_server.thaw()
    assert len(losses) == 12


def test_a_receiver_that_fails_harms_nothing(way, own_server, losses, caplog):
    def broken(**_):
        raise ZeroDivisionError

    way()
    own_server.kill()
    publish_failed.connect(broken)
    try:
        publish("g", EVENT)
    finally:
        publish_failed.disconnect(broken)
    assert len(losses) == 1 and "A receiver of publish_failed failed" in caplog.text


@pytest.mark.parametrize(
    ("layer", "channelgate", "via", "text"),
    [
        (None, {}, None, "there is no way to the nodes"),
        (None, {}, "redis", 'CHANNELGATE["REDIS_URL"] is not set'),
        (None, {}, "layer", 'CHANNEL_LAYERS has no layer "default"'),
        (None, {}, "http", 'CHANNELGATE["API_KEY"] is not set'),
    ],
)
async def test_what_is_not_configured_is_an_error_of_the_call(layer, channelgate, via, text, use):
    use(layer, **channelgate)

    def in_a_transaction():
        with transaction.atomic(), pytest.raises(ImproperlyConfigured) as raised:
            publish("g", EVENT, via=via)
        assert text in str(raised.value)

    await asyncio.to_thread(in_a_transaction)
    with pytest.raises(ImproperlyConfigured):
        await apublish("g", EVENT, via=via)
    with pytest.raises(ValueError, match="via is one of"):
        await apublish("g", EVENT, via="smoke")
