"""The measure of time of these tests finds what takes too long."""

import time

import pytest
from harness.calm import within


def test_a_block_that_takes_too_long_fails_and_a_short_one_does_not():
    with within(30):
        pass
    with pytest.raises(AssertionError), within(0.1):
        time.sleep(2)
