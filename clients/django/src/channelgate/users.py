"""What the node knows of a user by default: `CHANNELGATE["DESCRIBE"]` names another function."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import LazyObject, empty


def unwrapped(value: Any) -> Any:
    """What is behind a lazy object that has it by now: each question to the lazy object costs a call more."""
    if not issubclass(type(value), LazyObject):
        return value
    wrapped = value.__dict__.get("_wrapped", empty)
    return value if wrapped is empty else wrapped


def describe(user: Any) -> dict[str, Any] | None:
    """Id, name and rights of a user; None for an anonymous one."""
    user = unwrapped(user)
    if user is None:
        return None
    if isinstance(user, Mapping):
        return {"id": user["id"], **user} if user.get("id") is not None else None
    if not getattr(user, "is_authenticated", True):
        return None
    identity = getattr(user, "pk", None)
    if identity is None:
        identity = getattr(user, "id", None)
    if identity is None:
        return None
    name = getattr(user, "get_username", None)
    described: dict[str, Any] = {
        "id": identity,
        "name": name() if callable(name) else str(getattr(user, "username", identity)),
        "is_staff": bool(getattr(user, "is_staff", False)),
        "is_superuser": bool(getattr(user, "is_superuser", False)),
    }
    role = getattr(user, "role", None)
    if isinstance(role, str):
        described["role"] = str(role)
    return described
