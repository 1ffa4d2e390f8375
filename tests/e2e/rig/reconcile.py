"""Reconciles what was published with what each client received: lost, doubled, misrouted, out of order.

Publishers number their events. An event names its publisher, its number and its group; `Log` knows, at every moment,
how far each publisher is. A client's membership of a group is a `Stay`, with what it must have received, and may have.
"""

import dataclasses
from collections import defaultdict


class Log:
    """What was published: for each publisher the groups of its events, by number."""

    def __init__(self):
        self.groups: dict[str, list[str]] = defaultdict(list)
        #: How many of them are in Redis.
        self.sent: dict[str, int] = defaultdict(int)

    def begin(self, publisher: str, group: str) -> int:
        """One more event, which is about to be sent; returns its number."""
        self.groups[publisher].append(group)
        return len(self.groups[publisher]) - 1

    def done(self, publisher: str) -> None:
        self.sent[publisher] += 1

    def last(self, group: str, confirmed: bool = False) -> dict[str, int]:
        """The number of each publisher's last event to a group; with `confirmed`, of those that are in Redis."""
        found = {}
        for publisher, groups in self.groups.items():
            of = groups[: self.sent[publisher]] if confirmed else groups
            if group in of:
                found[publisher] = len(of) - 1 - of[::-1].index(group)
        return found

    def begun(self) -> dict[str, int]:
        return {publisher: len(groups) for publisher, groups in self.groups.items()}

    def confirmed(self) -> dict[str, int]:
        return dict(self.sent)


@dataclasses.dataclass
class Stay:
    """A client in a group. Numbers below `after` are from before its join, those from `until` on from after its leave.

    Between `certain_from` and `certain_to` it was a member in any case.
    """

    group: str
    after: dict[str, int]
    certain_from: dict[str, int] | None = None
    certain_to: dict[str, int] | None = None
    until: dict[str, int] | None = None


def faults(log: Log, stays: list[Stay], received: list[dict]) -> list[str]:
    """What is wrong with the events that a client received; none if the list is empty."""
    found = []
    last: dict[str, int] = {}
    seen: set[tuple[str, int]] = set()
    for event in received:
        publisher, number, group = event["publisher"], event["number"], event["group"]
        what = f"{publisher} {number} to {group}"
        if (publisher, number) in seen:
            found.append(f"doubled: {what}")
        seen.add((publisher, number))
        if log.groups[publisher][number] != group:
            found.append(f"changed: {what}")
        if number < last.get(publisher, -1):
            found.append(f"out of order: {what} after {last[publisher]}")
        last[publisher] = max(number, last.get(publisher, -1))
        if not any(is_permitted(stay, event) for stay in stays):
            found.append(f"misrouted, or from before a join or after a leave: {what}")
    for publisher, groups in log.groups.items():
        for number, group in enumerate(groups):
            if (publisher, number) not in seen and any(is_owed(stay, publisher, number, group) for stay in stays):
                found.append(f"lost: {publisher} {number} to {group}")
    return found


def is_permitted(stay: Stay, event: dict) -> bool:
    publisher, number = event["publisher"], event["number"]
    until = None if stay.until is None else stay.until.get(publisher, 0)
    began = number >= stay.after.get(publisher, 0)
    return stay.group == event["group"] and began and (until is None or number < until)


def is_owed(stay: Stay, publisher: str, number: int, group: str) -> bool:
    if stay.group != group or stay.certain_from is None or number < stay.certain_from.get(publisher, 0):
        return False
    return stay.certain_to is None or number < stay.certain_to.get(publisher, 0)
