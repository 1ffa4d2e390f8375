"""The actions that nodes may ask for: plain functions, the same over HTTP and for `runworker`.

@action("markAttendance")
def mark_attendance(call: Call) -> dict:
    if …:
        raise Refused(409, "Inactive session")
    return {"attendance": …}
"""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

#: Names that the package answers itself: the calls of the bridge, and the question who a client is.
RESERVED = frozenset({"channels", "who_am_i"})

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Call:
    """One question of a node."""

    action: str
    #: The client's data, as far as the node's configuration passes it on.
    data: Any
    #: The user, as authenticated by the node: trust this, not `data`. None if anonymous.
    user: dict[str, Any] | None
    #: The connection that made the call.
    connection: str
    #: The consumer in the node's configuration.
    consumer: str


class Refused(Exception):
    """Any status but 200; the node's configuration decides by the status what the client receives."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class NotFound(Refused):
    """404: the object that the action is about does not exist."""

    def __init__(self, message: str = "Not found") -> None:
        super().__init__(404, message)


@dataclasses.dataclass(frozen=True)
class Registered:
    """An action and how it is carried out."""

    name: str
    function: Callable[[Call], Any]
    idempotent: bool
    atomic: bool

    @property
    def dotted(self) -> str:
        """The function by its name."""
        return f"{self.function.__module__}.{self.function.__qualname__}"


actions: dict[str, Registered] = {}
#: The package's own.
built_in: dict[str, Registered] = {}
#: Actions that were registered under a name that another has: system check E003.
twice: list[tuple[Registered, Registered]] = []


def action(name: str, *, idempotent: bool = False, atomic: bool = False) -> Callable[[Function], Function]:
    """Registers a function, sync or async, under the name by which a node asks for it.

    `idempotent` keeps the answer under the request's `Idempotency-Key` for 5 minutes. `atomic` runs a sync function in
    a transaction.
    """
    if not isinstance(name, str) or not name or "/" in name:
        raise TypeError('action() wants the action\'s name: @action("markAttendance")')

    def register(function: Function) -> Function:
        new = Registered(name, function, idempotent, atomic)
        old = actions.get(name)
        if old is not None and old.dotted != new.dotted:
            twice.append((old, new))
        actions[name] = new
        return function

    return register
