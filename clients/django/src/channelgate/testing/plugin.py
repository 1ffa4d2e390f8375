"""The fixtures `published` and `gate` for pytest, found by an entry point. Django is imported only by what uses them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from channelgate.testing import Captured


@pytest.fixture
def published() -> "Iterator[Captured]":
    """What the project publishes during the test: `published.assert_published("order_7", type="order.status")`."""
    from channelgate.testing import captured

    with captured() as sent:
        yield sent
