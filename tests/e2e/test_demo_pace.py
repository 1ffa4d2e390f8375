"""The pace of `make demo`'s activity: its speed holds for what it waits for already, a pause holds, and no event waits
long."""

import random
import sys
import threading
import time

import pytest
import stack

sys.path.insert(0, str(stack.ROOT / "tests" / "django"))
from activity.pace import Pace, pause

#: Seconds for what takes less than one, on a machine that may stand still for some.
SOON = 30


@pytest.fixture
def waiting():
    """Starts `Pace.wait` in a thread; returns the thread, and a list that gets the answer."""
    paces = []

    def start(pace: Pace, seconds: float) -> tuple[threading.Thread, list[bool]]:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(pace.wait(seconds)), daemon=True)
        paces.append(pace)
        thread.start()
        return thread, answers

    yield start
    for pace in paces:
        pace.end()


def test_it_waits_shorter_at_a_higher_speed_and_longer_at_a_lower_one():
    begin = time.monotonic()
    assert Pace(speed=1e5).wait(3600) and time.monotonic() - begin < SOON
    begin = time.monotonic()
    assert Pace(speed=0.5).wait(0.1) and time.monotonic() - begin >= 0.2


def test_a_new_speed_holds_for_what_it_waits_for_already(waiting):
    pace = Pace()
    thread, answers = waiting(pace, 3600)
    pace.set(1e5, paused=False)
    thread.join(SOON)
    assert answers == [True]


def test_a_pause_holds_until_it_ends(waiting):
    pace = Pace()
    thread, answers = waiting(pace, 3600)
    # Returns when the thread waits.
    pace.set(1e9, paused=True)
    thread.join(0.1)
    assert answers == []
    pace.set(1e9, paused=False)
    thread.join(SOON)
    assert answers == [True]


def test_the_end_ends_a_pause(waiting):
    pace = Pace(paused=True)
    thread, answers = waiting(pace, 1)
    pace.end()
    thread.join(SOON)
    assert answers == [False]


def test_a_burst_at_the_same_time_does_not_silence_the_activity():
    generator = random.Random(1)
    assert all(pause(500, generator) <= 3 for _ in range(100))
    assert all(0.3 <= pause(0, generator) <= 0.7 for _ in range(100))
