"""What a handler did to a consumer: a change, or only a look."""

import contextvars

import pytest
from django.contrib.sessions.backends.db import SessionStore
from harness.keeping import made

from channelgate.bridge.state import difference, look


def changed(change, **attributes):
    """The names of what `change` changes of a consumer with these attributes."""
    consumer, baseline = made(**attributes)
    now = contextvars.copy_context()
    parts = {"baseline": baseline, "models": "snapshot", "received": {}, "contexts": (now, now)}
    before = look(consumer, scope=consumer.scope, **parts)
    change(consumer)
    return difference(before, look(consumer, scope=consumer.scope, **parts))


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda consumer: consumer.session.get("cart"), []),
        (lambda consumer: consumer.session.update({"cart": [1]}), ["self.session"]),
        (lambda consumer: consumer.numbers.add(3), ["self.numbers"]),
        (lambda consumer: list(consumer.numbers), []),
        (lambda consumer: setattr(consumer, "number", 1), []),
        (lambda consumer: setattr(consumer, "number", True), ["self.number"]),
        (lambda consumer: setattr(consumer, "other", float("nan")), ["self.other"]),
        (lambda consumer: consumer.scope.update(seen=1), ["self.scope['seen']"]),
        (lambda consumer: delattr(consumer, "numbers"), ["self.numbers"]),
        # Nothing of it can be kept: the state refuses it by its name.
        (lambda consumer: next(consumer.stream), []),
    ],
)
def test_a_look_is_not_a_change(change, names):
    stream = iter("abc")
    assert changed(change, session=SessionStore(), numbers={1, 2}, number=1, stream=stream) == names
