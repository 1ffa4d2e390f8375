"""`with captured() as sent:`: what the project publishes meanwhile stays here, and nothing reaches Redis."""

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from channelgate.bridge.diverted import DIVERSIONS
from channelgate.membership import Membership
from channelgate.testing import orders
from channelgate.testing.commits import Commits
from channelgate.testing.match import Published, differences, listing, named, wanted


class Captured:
    """The events that were published, in order: a sequence of `(group, event)`."""

    def __init__(self, commits: Commits) -> None:
        self._commits = commits
        self._published: list[Published] = []
        #: What went to single channels by `channel_layer.send`: `(channel, message)`.
        self.sends: list[tuple[str, dict[str, Any]]] = []
        #: What `disconnect()`, `join()`, `leave()` and logouts ordered: `{"user": "7", "leave": "board.7"}`.
        self.orders: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._published)

    def __iter__(self) -> Iterator[Published]:
        return iter(list(self._published))

    def __getitem__(self, index: int) -> Published:
        return self._published[index]

    def __bool__(self) -> bool:
        return bool(self._published)

    def __repr__(self) -> str:
        return f"<Captured {self._published!r}>"

    def clear(self) -> None:
        """Forgets what was published so far."""
        self._published.clear()
        self.sends.clear()
        self.orders.clear()

    def commit(self) -> None:
        """Runs the callbacks that `captured(commit=False)` has kept."""
        self._commits.now()

    def matching(self, group: str, event: Mapping[str, Any] | None = None, /, **fields: Any) -> list[Published]:
        """The events of a group that have these fields, whatever else they have."""
        fields = wanted(fields, event)
        return [one for one in self._published if one.group == group and not differences(one.event, fields)]

    def assert_published(self, group: str, event: Mapping[str, Any] | None = None, /, **fields: Any) -> Published:
        """Fails unless such an event was published; returns the first one.

        Fields with a name that Python does not take as a keyword go into `event`: `{"order-id": 7}`.
        """
        found = self.matching(group, event, **fields)
        if found:
            return found[0]
        fields = wanted(fields, event)
        text = f"No event was published {named(group, fields)}.\n{listing(self._published, group, fields)}"
        waiting = self._commits.waiting()
        if waiting:
            text += (
                f"\n{waiting} on_commit callback{'s wait' if waiting > 1 else ' waits'} for the end of a transaction: "
                "look after the block, or call commit() if captured() has commit=False."
            )
        raise AssertionError(text)

    def assert_not_published(self, group: str, event: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        """Fails if such an event was published."""
        found = self.matching(group, event, **fields)
        if found:
            fields = wanted(fields, event)
            raise AssertionError(
                f"{len(found)} event{'s were' if len(found) > 1 else ' was'} published {named(group, fields)}.\n"
                + listing(self._published, group, {})
            )

    # What `publish()` and the layers hand over.

    def add(self, group: str, event: Mapping[str, Any], using: str | None = None, on_commit: bool = False) -> None:
        """An event of `channelgate.publish`, when it would be sent: after the transaction, if it waited for one."""
        self._published.append(Published(str(group), dict(event)))

    async def group_send(self, layer: Any, group: str, message: dict[str, Any]) -> None:
        """An event of the project's own `channel_layer.group_send`."""
        self._published.append(Published(str(group), dict(valid(layer, "group", group, message))))

    async def send(self, layer: Any, channel: str, message: dict[str, Any]) -> None:
        """A message of the project's own `channel_layer.send`."""
        self.sends.append((str(channel), dict(valid(layer, "channel", channel, message))))

    def disconnect(self, order: dict[str, Any]) -> int:
        """An order to end connections."""
        self.orders.append(order)
        return 1

    def change(self, order: dict[str, Any]) -> Membership:
        """An order to join or to leave a group."""
        self.orders.append(order)
        return Membership(connections=0, changed=0, refused=0, nodes=1, silent=0)


def valid(layer: Any, what: str, name: str, message: dict[str, Any]) -> dict[str, Any]:
    """The message, if the layer would have taken it: names and values are checked by the layer's own rules."""
    check = getattr(layer, f"require_valid_{what}_name", None) or getattr(layer, f"valid_{what}_name", None)
    if check is not None:
        check(name)
    if not isinstance(message, dict):
        raise TypeError(f"message is a dict, not {type(message).__name__}")
    serialize = getattr(layer, "serialize", None)
    if callable(serialize):
        serialize(message)
    return message


@contextlib.contextmanager
def captured(*, commit: bool = True) -> Iterator[Captured]:
    """Keeps what the project publishes, by `channelgate.publish` or by `group_send`.

    In a `TestCase`, callbacks of `transaction.on_commit` run where the project's own transaction ends; with
    `commit=False` they wait for `sent.commit()`.
    """
    with Commits(run=commit) as commits:
        sent = Captured(commits)
        with diverted(sent):
            yield sent


@contextlib.contextmanager
def diverted(taker: Any) -> Iterator[None]:
    """Hands what is published to `taker`, from every thread of the process."""
    captures = publishing()
    DIVERSIONS.append(taker)
    if captures is not None:
        captures.push(taker)
    try:
        with orders.diverted(taker):
            yield
    finally:
        if captures is not None:
            captures.pop(taker)
        DIVERSIONS.remove(taker)


def publishing() -> Any:
    """Where `channelgate.publish` asks for captures."""
    try:
        return importlib.import_module("channelgate.publishing.captures")
    except ModuleNotFoundError:
        return None
