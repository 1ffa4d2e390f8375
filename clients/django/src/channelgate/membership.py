"""Lets the open connections of a user join or leave a group, on every node: `leave(user, "board.7")`.

The order goes through Redis, and the call returns when the nodes have carried it out: what is sent to the group after a
`leave` does not reach the user, and what is sent after a `join` does. docs/ADMIN.md has the order.
"""

import dataclasses
import json
import secrets
import time
from collections.abc import Iterable
from typing import Any

from asgiref.sync import sync_to_async

from channelgate.identity import user_id
from channelgate.places import connect, connect_here

#: Where nodes hear orders, where they answer, and the record for nodes that hear nothing now.
CHANNEL = "channelgate:control:group"
ANSWERS = "channelgate:answer:"
RECORD = "channelgate:group_orders"
#: How long the record has an order, in milliseconds.
KEPT = 3_600_000


@dataclasses.dataclass(frozen=True, slots=True)
class Membership:
    """What became of an order."""

    #: Open connections of the user.
    connections: int
    #: Those of them that are in the group now, or that were in it and have left.
    changed: int
    #: Those of them that could not join: at `max_rooms`, or Redis did not confirm it.
    refused: int
    #: Nodes that have carried out the order.
    nodes: int
    #: Nodes that heard it and did not answer in time. Whether they have carried it out is not known.
    silent: int


def join(user: Any, group: str, *, consumer: str | None = None, timeout: float = 3) -> Membership:
    """The user's open connections join the group. From the return on, what is sent to it reaches them."""
    return _order("join", user, group, consumer, timeout)


def leave(user: Any, group: str, *, consumer: str | None = None, timeout: float = 3) -> Membership:
    """The user's open connections leave the group. From the return on, what is sent to it does not reach them."""
    return _order("leave", user, group, consumer, timeout)


async def ajoin(user: Any, group: str, *, consumer: str | None = None, timeout: float = 3) -> Membership:
    """`join` for asynchronous code."""
    return await _aorder("join", user, group, consumer, timeout)


async def aleave(user: Any, group: str, *, consumer: str | None = None, timeout: float = 3) -> Membership:
    """`leave` for asynchronous code."""
    return await _aorder("leave", user, group, consumer, timeout)


class _Order:
    """An order, and what the nodes have answered so far."""

    def __init__(self, change: str, identity: str | None, group: str, consumer: str | None, timeout: float):
        if identity is None:
            raise ValueError("an anonymous user has no connections that could be found")
        if not isinstance(group, str) or not group:
            raise ValueError("the name of a group is text, and not empty")
        if isinstance(timeout, str) or not timeout > 0:
            raise ValueError("timeout is a number of seconds, more than 0")
        order = {"user": identity, change: str.__str__(group)}
        if consumer is not None:
            order["consumer"] = consumer
        order["id"] = secrets.token_hex(16)
        self.answers = ANSWERS + order["id"]
        self.recorded = json.dumps(order, separators=(",", ":"), ensure_ascii=False)
        self.message = json.dumps({**order, "answer": self.answers})
        self.deadline = time.monotonic() + timeout
        self.heard = 0
        self.come: list[dict[str, Any]] = []

    def left(self, most: float = 1) -> float:
        """Seconds to wait for the next answer; 0 or less if none is awaited any more."""
        if len(self.come) >= self.heard:
            return 0
        left = min(self.deadline - time.monotonic(), most)
        # Redis takes less than a millisecond for "without end".
        return max(left, 0.01) if left > 0 else left

    def take(self, answer: Any) -> None:
        """An answer of a node, as BLPOP gives it."""
        if answer is not None:
            self.come.append(json.loads(answer[1]))

    def outcome(self) -> Membership:
        """The sum of what the nodes did; an order that no node could read is an error."""
        done = [answer["result"] for answer in self.come if "result" in answer]
        wrong = [answer for answer in self.come if "reason" in answer]
        if wrong and not done:
            raise ValueError(f"{wrong[0]['field']}: {wrong[0]['reason']}")
        return Membership(
            connections=_sum(one["connections"] for one in done),
            changed=_sum(one["changed"] for one in done),
            refused=_sum(one["failed"] for one in done),
            nodes=len(done),
            silent=self.heard - len(done),
        )

    def score(self, now: tuple[int, int]) -> dict[str, int]:
        """The entry of the record."""
        return {self.recorded: now[0] * 1000 + now[1] // 1000}


def _at_once(redis: Any) -> float:
    """How long one command may wait: less than the connection's timeout."""
    timeout = redis.connection_pool.connection_kwargs.get("socket_timeout")
    return min(1, timeout / 2) if timeout else 1


def _sum(numbers: Iterable[int]) -> int:
    return sum(numbers)


def _order(change: str, user: Any, group: str, consumer: str | None, timeout: float) -> Membership:
    order = _Order(change, user_id(user), group, consumer, timeout)
    redis = connect()
    order.heard = redis.publish(CHANNEL, order.message)
    if not order.heard:
        # Every node is away for the moment: they read it when they are back.
        redis.zadd(RECORD, order.score(redis.time()))
        redis.pexpire(RECORD, KEPT)
    while (left := order.left(_at_once(redis))) > 0:
        order.take(redis.blpop(order.answers, timeout=left))
    return order.outcome()


async def _aorder(change: str, user: Any, group: str, consumer: str | None, timeout: float) -> Membership:
    # A function of the project's own may ask the database.
    identity = await sync_to_async(user_id, thread_sensitive=True)(user)
    order = _Order(change, identity, group, consumer, timeout)
    redis = connect_here()
    try:
        order.heard = await redis.publish(CHANNEL, order.message)
        if not order.heard:
            await redis.zadd(RECORD, order.score(await redis.time()))
            await redis.pexpire(RECORD, KEPT)
        while (left := order.left(_at_once(redis))) > 0:
            order.take(await redis.blpop(order.answers, timeout=left))
    finally:
        await redis.aclose()
        await redis.connection_pool.disconnect()
    return order.outcome()
