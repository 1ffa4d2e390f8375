"""Captures take what is published, and nothing reaches Redis meanwhile."""

import asyncio
import threading

import pytest
from django.db import transaction

from channelgate import apublish, publish, publish_many
from channelgate.publishing import captures


class Kept(list):
    def add(self, group, event, using, on_commit):
        self.append((group, event["n"], using, on_commit))


@pytest.fixture
def kept(use):
    # Nothing is reachable: what is not captured would be an error.
    use(None, REDIS_URL="redis://127.0.0.1:1", PUBLISH={"ON_ERROR": "raise", "TIMEOUT": 0.1})
    kept = Kept()
    captures.push(kept)
    yield kept
    if captures.current() is kept:
        captures.pop(kept)
    assert captures.current() is None


def event(n):
    return {"type": "x", "n": n}


def test_everything_is_kept_in_order(kept):
    publish("a", event(1))
    with transaction.atomic():
        publish("a", event(2))
        publish("a", event(3), on_commit=False)
    with transaction.atomic(using="other"):
        publish_many([("a", event(4)), ("b", event(5))], using="other")
    asyncio.run(apublish("b", event(6)))
    assert kept == [
        ("a", 1, None, False),
        ("a", 3, None, False),
        ("a", 2, None, True),
        ("a", 4, "other", True),
        ("b", 5, "other", True),
        ("b", 6, None, False),
    ]


def test_what_is_rolled_back_was_not_sent(kept):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        publish("a", event(1))
        raise ZeroDivisionError
    assert kept == []


def test_captures_nest_and_a_message_stays_with_that_of_its_call(kept):
    inner = Kept()
    with transaction.atomic():
        publish("a", event("outer"))
        captures.push(inner)
        publish("a", event("inner"))
        captures.pop(inner)
        assert (kept, inner) == ([], [])
    assert [one[1] for one in kept] == ["outer"] and [one[1] for one in inner] == ["inner"]
    with pytest.raises(LookupError):
        captures.pop(inner)


def test_captures_end_in_any_order(kept):
    inner = Kept()
    captures.push(inner)
    captures.pop(kept)
    publish("a", event(1))
    captures.pop(inner)
    assert (kept, [one[1] for one in inner]) == ([], [1])


def test_every_thread_is_captured(kept):
    threads = [
        threading.Thread(target=lambda own=own: [publish("a", event([own, n])) for n in range(50)]) for own in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one[1] for one in kept) == [[own, n] for own in range(8) for n in range(50)]


def test_a_mistake_is_an_error_in_a_capture_too(kept):
    with pytest.raises(ValueError, match="name of a group"):
        publish("a b", event(1))
    assert kept == []
