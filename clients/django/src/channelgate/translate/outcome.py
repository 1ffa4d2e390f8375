"""What is written for a route, and why."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from channelgate.translate import messages
from channelgate.translate.auth import Login
from channelgate.translate.handlers import Handled
from channelgate.translate.messages import Messages
from channelgate.translate.routes import Route
from channelgate.translate.values import Expr

NATIVE, CALLS, BRIDGED, STAYS = "native", "native + calls", "bridged", "stays with Daphne"


@dataclasses.dataclass(slots=True)
class Verdict:
    """What is written for a route, and why."""

    route: Route
    kind: str
    #: Sentences for the comment: the statements that stay in Python, and what differs.
    why: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    #: The keys of the consumer, in their order.
    table: dict[str, Any] = dataclasses.field(default_factory=dict)
    #: Comments above the handlers of events, by name.
    comments: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    #: The groups that the node joins by itself.
    joined: list[Expr] = dataclasses.field(default_factory=list)
    login: Login = dataclasses.field(default_factory=Login)

    @property
    def refused(self) -> bool:
        """Whether the bridge would refuse it."""
        return self.kind == STAYS

    @property
    def why_line(self) -> str:
        return self.why[0] if self.why else ""


def add_messages(table: dict[str, Any], said: Messages, failed: bool = True) -> None:
    """The keys of the messages of clients."""
    if said.on_message and said.key != "type" and set(said.on_message) - {messages.OTHERS}:
        table["message_key"] = said.key
    if said.on_bad_json is not None:
        table["on_bad_json"] = said.on_bad_json
    if failed and said.on_failed is not None and (said.on_message or said.on_raw):
        table["on_failed"] = said.on_failed
    if said.on_raw:
        table["on_raw"] = said.on_raw
    if said.on_message:
        table["on_message"] = said.on_message


def add_events(verdict: Verdict, table: dict[str, Any], handled: Iterable[Handled]) -> None:
    """The handlers of events."""
    events = {}
    for one in handled:
        if one.keys:
            events[one.name] = one.keys
        elif one.keys is not None and "django" in table:
            events[one.name] = {}
        if one.problem is not None:
            verdict.comments.setdefault(one.name, []).append(str(one.problem))
            if one.per:
                events[one.name] = {"python_per": one.per}
        if one.notes and one.name in events:
            verdict.comments.setdefault(one.name, []).extend(dict.fromkeys(one.notes))
    if events:
        table["on_event"] = events
