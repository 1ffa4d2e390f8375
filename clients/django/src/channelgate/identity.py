"""The id by which a node knows a user."""

import uuid
from collections.abc import Mapping
from typing import Any

from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from channelgate.conf import conf

#: Bytes of an id.
MAX_ID = 255


def user_id(user: Any) -> str | None:
    """The text of a user's id; None for an anonymous user. `user` is a user, or the id itself.

    Anything else is an error: what is for nobody would be for every client without a user.
    """
    if user is None:
        return None
    if isinstance(user, bool):
        raise TypeError("a user is a user of the project, or an id: text, an integer or a UUID, not a truth value")
    if not isinstance(user, str | int | uuid.UUID):
        if getattr(user, "is_authenticated", True) is False:
            return None
        user = described(user)["id"]
    identity = str(user)
    if not 0 < len(identity.encode()) <= MAX_ID:
        raise ValueError(f"the id of a user has 1 to {MAX_ID} bytes")
    return identity


def described(user: Any) -> Mapping[str, Any]:
    """What nodes know of a user, as `CHANNELGATE["DESCRIBE"]` says; it has an "id"."""
    path = conf().describe
    found = import_string(path)(user)
    if hasattr(found, "__await__"):
        found = async_to_sync(_awaited)(found)
    if found is None:
        if not hasattr(user, "is_authenticated") and not isinstance(user, Mapping):
            raise TypeError(f"a user is a user of the project, or an id: text, an integer or a UUID, not {_kind(user)}")
        raise ValueError(f'CHANNELGATE["DESCRIBE"] {path} knows no id of this {_kind(user)}: is it saved?')
    if not isinstance(found, Mapping) or found.get("id") is None:
        raise ImproperlyConfigured(f'CHANNELGATE["DESCRIBE"] {path} has to return a dictionary with "id"')
    return found


def _kind(user: Any) -> str:
    return type(user).__name__


async def _awaited(described: Any) -> Any:
    return await described
