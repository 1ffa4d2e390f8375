"""`call_action("markAttendance", data, user=u)`: an action as a node asks for it, without HTTP."""

import json
from collections.abc import Mapping
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async

from channelgate import registry
from channelgate.answers import dumps, run
from channelgate.bridge import people
from channelgate.registry import Call, Registered


def call_action(
    name: str, data: Any = None, *, user: Any = None, connection: str = "test", consumer: str = "test"
) -> Any:
    """The action's answer, as the node would read it.

    A refusal is raised (`channelgate.Refused`, with `status` and `message`), and so is every other exception, where a
    node would get 500. `user` is a user of the project, as `DESCRIBE` puts it for nodes, or what a node would say.
    """
    registered = _find(name)
    call = Call(name, _plain(data), _described(user), connection, consumer)
    if iscoroutinefunction(registered.function):
        return _plain(async_to_sync(registered.function)(call))
    return _plain(run(registered, call))


async def acall_action(
    name: str, data: Any = None, *, user: Any = None, connection: str = "test", consumer: str = "test"
) -> Any:
    """`call_action` for asynchronous tests."""
    registered = _find(name)
    call = Call(name, _plain(data), await _adescribed(user), connection, consumer)
    if iscoroutinefunction(registered.function):
        return _plain(await registered.function(call))
    return _plain(await sync_to_async(run)(registered, call))


def _find(name: str) -> Registered:
    found = registry.built_in.get(name) or registry.actions.get(name)
    if found is None:
        known = ", ".join(sorted(registry.actions)) or "none"
        raise LookupError(
            f'The action "{name}" is not registered; registered: {known}. Actions are found in the module actions.py '
            'of each app, or as CHANNELGATE["ACTIONS_MODULE"] says.'
        )
    return found


async def _adescribed(user: Any) -> dict[str, Any] | None:
    if isinstance(user, Mapping):
        return people.checked(dict(user))
    return await people.describe(user)


def _described(user: Any) -> dict[str, Any] | None:
    described: dict[str, Any] | None = async_to_sync(_adescribed)(user)
    return described


def _plain(value: Any) -> Any:
    """The value after its way as JSON."""
    return json.loads(dumps(value))
