"""`PUBLISH channelgate:<group> <json>`: the nodes' own channel. Consumers under Daphne do not hear it."""

import json
from collections.abc import Sequence

from channelgate import places
from channelgate.conf import conf
from channelgate.exchange import exchange
from channelgate.publishing.attempts import Attempts
from channelgate.publishing.values import Message
from channelgate.publishing.via.blocking import Blocking


def of_settings() -> "Redis":
    """The nodes' Redis."""
    from channelgate.publishing.via import needs

    needs("redis", "redis", "publishing by way of Redis")
    places.host()
    return Redis()


class Redis(Blocking):
    """One exchange for up to a hundred messages."""

    name = "redis"
    together = 100

    def attempt(self, messages: Sequence[Message], attempts: Attempts) -> None:
        """Redis has them when it answers."""
        prefix = conf().prefix
        commands = [("PUBLISH", prefix + group, json.dumps(event, ensure_ascii=False)) for group, event in messages]
        exchange(commands, attempts.deadline, attempts.timeout)
