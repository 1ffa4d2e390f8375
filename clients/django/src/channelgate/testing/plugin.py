"""The fixtures `published` and `gate` for pytest, found by an entry point.

Django is imported only by what uses them.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from channelgate.testing import Captured, Gate


@pytest.fixture
def published() -> "Iterator[Captured]":
    """What the project publishes during the test: `published.assert_published("order_7", type="order.status")`."""
    from channelgate.testing import captured

    with captured() as sent:
        yield sent


@pytest.fixture(scope="session")
def channelgate_config() -> Any:
    """The configuration of the node, if it is another one than the project's: a fixture of the same name returns it."""
    return None


@pytest.fixture(scope="session")
def channelgate_environ() -> dict[str, str]:
    """More variables for the node."""
    return {}


@pytest.fixture(scope="session")
def channelgate_node(channelgate_config: Any, channelgate_environ: dict[str, str]) -> "Iterator[Gate]":
    """The node of the process, started by the first test that has `gate`."""
    from channelgate.testing import Gate

    gate = Gate(channelgate_config, channelgate_environ)
    gate.start()
    try:
        yield gate
    finally:
        gate.stop()


@pytest.fixture
def gate(request: pytest.FixtureRequest, channelgate_node: "Gate") -> "Iterator[Gate]":
    """The project behind a real node: `ws = gate.connect("/ws/orders/7/", user=user)`, `await ws.connect()`."""
    # The database of pytest-django first: its transaction has to outlive the clients.
    for name in ("db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"):
        if name in request.fixturenames and name != request.fixturename:
            request.getfixturevalue(name)
    with channelgate_node.test():
        yield channelgate_node
