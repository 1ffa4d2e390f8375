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
    """One call."""

    action: str
    #: The client's data, as far as the gateway's configuration passes it on.
    data: Any
    #: The user, as authenticated by the gateway: trust this, not `data`. None if anonymous.
    user: dict | None
    #: The connection that made the call.
    connection: str
    #: The consumer in the gateway's configuration.
    consumer: str


class Refused(Exception):
    """Any status but 200; the gateway's configuration decides by the status what the client receives."""

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
    """Status and body as JSON: times become `2026-03-02T09:31:07.123Z`."""
    call = Call(**{field.name: message.get(field.name) for field in dataclasses.fields(Call)})
    function = _actions.get(call.action)
    if function is None:
        # Not 404: that means that an action did not find an object.
        return 501, {"message": f"Unknown action: {call.action}"}
    try:
        return 200, json.loads(json.dumps(function(call), cls=DjangoJSONEncoder))
    except Refused as refusal:
        return refusal.status, {"message": refusal.message}
    except Exception:
        logger.exception("The action %s failed", call.action)
        return 500, {"message": "Internal error"}
