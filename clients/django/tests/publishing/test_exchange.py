"""Commands to Redis within a deadline: an answer belongs to its command, also after others were given up."""

import threading
import time

import pytest
import redis
from harness.calm import within

from channelgate import places
from channelgate.exchange import exchange


def ask(*commands, timeout=30.0):
    return exchange(commands, time.monotonic() + timeout, timeout)


def test_answers_come_in_order(own_server, use):
    use(None, REDIS_URL=own_server.url)
    assert ask(("ECHO", "a"), ("ECHO", "b"), ("TIME",))[:2] == [b"a", b"b"]
    with pytest.raises(redis.ResponseError):
        ask(("ECHO", "a"), ("NONSENSE",), ("ECHO", "b"))
    assert ask(("ECHO", "c")) == [b"c"]


def test_a_late_answer_is_not_that_of_the_next_command(own_server, use):
    use(None, REDIS_URL=own_server.url)
    assert ask(("ECHO", "first"), timeout=30) == [b"first"]
    own_server.freeze()
    with pytest.raises(redis.TimeoutError):
        exchange([("ECHO", "given up")], time.monotonic() + 0.1, 3)
    found = []
    # It has sent its command before Redis goes on, so both answers come at once.
    second = threading.Thread(target=lambda: found.extend(exchange([("ECHO", "next")], time.monotonic() + 30, 30)))
    second.start()
    time.sleep(0.15)
    own_server.thaw()
    second.join()
    assert found == [b"next"]


def test_the_deadline_holds_whatever_redis_does(own_server, use):
    use(None, REDIS_URL=own_server.url)
    for reached in (False, True):
        places._kept.cache_clear()
        if reached:
            own_server.thaw()
            ask(("ECHO", "first"), timeout=30)
        own_server.freeze()
        with within(0.6 + 1), pytest.raises(redis.RedisError):
            ask(("ECHO", "x"), timeout=0.6)
