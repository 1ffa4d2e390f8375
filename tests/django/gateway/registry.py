"""The actions that may be asked for: plain functions, the same for HTTP and for the worker.

@action("markAttendance")
def mark_attendance(call):
    if …:
        raise Refused(409, "Inactive session")
    return {"attendance": …}
"""

import dataclasses
import json
import logging
from collections.abc import Callable
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Call:
    """One question."""

    action: str
    #: What the client said, as far as the gateway's configuration passes it on.
    data: Any
    #: Who asks, as the gateway authenticated them: trust this, not `data`. None for the anonymous.
    user: dict | None
    #: The connection that asks.
    connection: str
    #: The consumer in the gateway's configuration.
    consumer: str


class Refused(Exception):
    """Anything but a 200; the gateway's configuration decides by the status what the client is told."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
        self.message = message


_actions: dict[str, Callable[[Call], Any]] = {}


def action(name: str):
    """Registers a function under the name by which the gateway calls it."""

    def register(function):
        _actions[name] = function
        return function

    return register


def answer(message: dict) -> tuple[int, Any]:
    """Status and body, as JSON knows it: times become `2026-03-02T09:31:07.123Z`."""
    call = Call(**{field.name: message.get(field.name) for field in dataclasses.fields(Call)})
    function = _actions.get(call.action)
    if function is None:
        # Not 404: that is what an action says of the thing it did not find.
        return 501, {"message": f"Unknown action: {call.action}"}
    try:
        return 200, json.loads(json.dumps(function(call), cls=DjangoJSONEncoder))
    except Refused as refusal:
        return refusal.status, {"message": refusal.message}
    except Exception:
        logger.exception("The action %s failed", call.action)
        return 500, {"message": "Internal error"}
