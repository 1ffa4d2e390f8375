"""One script, several servers: compares the messages of a Channelgate client with those of a Daphne client.

A script connects each of its clients to every target at once, makes Django publish, and settles: fences are published
to each group until every client has seen one, so all earlier frames have arrived; client messages are fenced, too, by
a last message that is answered. Then every target's client must have the same frames, in the same order, down to the
order of keys. Nothing is normalised: all saw the same events.
"""

import asyncio
import itertools
import json

import pytest

from .client import Client, refusal, until
from .http import Http

FENCE = "fence"
#: In place of a group: the answer to a client's own last message.
ANSWER = "answer"


class Comparison:
    """The same clients on every target."""

    def __init__(self, targets: dict[str, int], api: Http, publisher):
        self.targets = targets
        self.api = api
        self.layer = publisher
        self.clients: dict[str, dict[str, Client]] = {}
        self.groups: dict[str, set[str]] = {}
        self.numbers = itertools.count()

    async def connect(self, name: str, path: str, groups: list[str], **options) -> None:
        """Opens client `name` on every target; `groups` are the groups of its events."""
        opened = await asyncio.gather(*(Client.open(port, path, **options) for port in self.targets.values()))
        self.clients[name] = dict(zip(self.targets, opened, strict=True))
        self.groups[name] = set(groups)

    async def refused(self, path: str, status: int = 403, **options) -> None:
        """Every target must refuse the handshake in the same way."""
        answers = await asyncio.gather(*(refusal(port, path, **options) for port in self.targets.values()))
        assert dict(zip(self.targets, answers, strict=True)) == dict.fromkeys(self.targets, status), path

    async def send(self, name: str, *messages) -> None:
        for message in messages:
            await asyncio.gather(*(client.send(message) for client in self.clients[name].values()))

    async def publish(self, group: str, **event) -> None:
        await self.layer.group_send(group, event)

    async def close(self, name: str) -> None:
        await asyncio.gather(*(client.close() for client in self.clients.pop(name).values()))
        del self.groups[name]

    async def settle(self) -> None:
        """Returns once everything published or sent so far has reached every client."""
        numbers: set[str] = set()
        for name, groups in self.groups.items():
            if any(is_notified(group) for group in groups):
                await self.send(name, {"type": "subscribe", "notification_types": [FENCE]})
            if "attendance_updates" in groups:
                numbers.add(number := f"{ANSWER} {next(self.numbers)}")
                await self.send(name, {"type": "ping", "timestamp": {FENCE: number}})
        pending = {group for groups in self.groups.values() for group in groups}
        end = asyncio.get_running_loop().time() + 15
        while pending:
            assert asyncio.get_running_loop().time() < end, self.missing(numbers)
            for group in pending:
                number = f"{group} {next(self.numbers)}"
                numbers.add(number)
                await self.layer.group_send(group, fence(group, number))
            try:
                await until(lambda: not self.missing(numbers), "", deadline=0.3, pause=0.01)
            except AssertionError:
                continue
            break

    def missing(self, numbers: set[str]) -> list[str]:
        """The clients that have not seen a fence of one of their groups."""
        out = []
        for name, clients in self.clients.items():
            for target, client in clients.items():
                seen = {number.rsplit(" ", 1)[0] for number in numbers & set(map(fence_number, client.frames))}
                owed = self.groups[name] | ({ANSWER} if "attendance_updates" in self.groups[name] else set())
                out += [f"{name} on {target}: {group}" for group in owed - seen]
        return out

    async def agree(self, **counts: int) -> dict[str, list]:
        """Settles, compares, and returns each client's frames; `counts` has the minimum number for each."""
        await self.settle()
        frames = {}
        for name, clients in self.clients.items():
            per_target = {
                target: [readable(frame) for frame in client.frames if fence_number(frame) is None]
                for target, client in clients.items()
            }
            oracle = per_target["daphne"]
            for target, got in per_target.items():
                if got != oracle:
                    pytest.fail(difference(name, target, oracle, got))
                assert clients[target].closed is None
            frames[name] = [json.loads(frame) for frame in oracle]
        got = {name: len(frames[name]) for name in counts}
        assert got == counts, frames
        return frames


def is_notified(group: str) -> bool:
    return group.startswith("user_") or group == "notifications"


def fence(group: str, number: str) -> dict:
    """An event in the form that this group's consumers handle."""
    if group == "broadcast":
        return {"type": "send_event", "event": FENCE, "data": number}
    if group == "attendance_updates":
        return {"type": "attendance_update", "data": {FENCE: number}}
    return {"type": "send_notification", "notification_type": FENCE, "message": FENCE, "data": {FENCE: number}}


def fence_number(frame: str | bytes) -> str | None:
    if FENCE not in (frame if isinstance(frame, str) else ""):
        return None
    value = json.loads(frame)
    if value.get("event") == FENCE:
        return value["data"]
    data = value.get("timestamp", value.get("data"))
    return data.get(FENCE) if isinstance(data, dict) else None


def readable(frame: str | bytes) -> str:
    """A frame as text that is equal if the JSON values are, with the order of keys and 1 distinct from 1.0."""
    return json.dumps(json.loads(frame)) if isinstance(frame, str) else f"binary: {frame!r}"


def difference(name: str, target: str, oracle: list[str], got: list[str]) -> str:
    lines = [f"client {name!r}: {target} and daphne differ ({len(got)} and {len(oracle)} frames)"]
    for index, (want, have) in enumerate(itertools.zip_longest(oracle, got)):
        if want != have:
            lines += [f"  frame {index}", f"    daphne: {want}", f"    {target}: {have}"]
            if len(lines) > 12:
                break
    return "\n".join(lines)
