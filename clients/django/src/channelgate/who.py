"""The action `who_am_i`: who a client is, from what a node with `auth = ["django"]` passes on.

200 with the user as `DESCRIBE` puts it, and `exp`; 200 with null for a visitor without a login; 401 for a credential
that is not valid, 403 where an authenticator refuses. It writes nothing: a session is neither renewed nor emptied.
"""

import inspect
from typing import Any

from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured, PermissionDenied

from channelgate import registry
from channelgate.authenticators import Authenticator, Found, Invalid, authenticators
from channelgate.bridge import people
from channelgate.conf import conf
from channelgate.forwarded import Forwarded
from channelgate.registry import Call, Refused, Registered

NAME = "who_am_i"
#: What the answer says of the login, beside what `DESCRIBE` says of the user.
TAKEN = frozenset({"exp", "via"})


def who_am_i(call: Call) -> dict[str, Any] | None:
    """The user of a client, or null."""
    shown = Forwarded.read(call.data)
    try:
        found = _first(authenticators(), shown)
    except PermissionDenied:
        raise Refused(403, "Forbidden") from None
    if found is None:
        return None
    described = _described(found.user)
    if described is None:
        raise Refused(401, "No user")
    if taken := sorted(TAKEN & described.keys()):
        raise ImproperlyConfigured(
            f'CHANNELGATE["DESCRIBE"] {conf().describe} returns {", ".join(taken)}, which nodes read as the end of the '
            "login and the place of its credential: name it differently"
        )
    ends = [end for end in (people.expiry({"user": found.user, "auth": found.auth}), found.expires) if end is not None]
    if ends:
        described["exp"] = min(ends)
    if shown.is_several:
        described["via"] = found.via
    return described


def _first(known: list[Authenticator], shown: Forwarded) -> Found | None:
    """What the first authenticator that knows the client says; None for a visitor who has shown no credential."""
    is_visitor = is_wrong = False
    for authenticator in known:
        try:
            found = authenticator.find(shown)
        except Invalid:
            is_wrong = True
            continue
        if found is None:
            continue
        if found.user is None:
            is_visitor = True
            continue
        return found
    if is_visitor and not is_wrong and shown.parts == ("cookies",):
        return None
    raise Refused(401, "Not a valid login")


def _described(user: Any) -> dict[str, Any] | None:
    described = people.function()(user)
    if inspect.isawaitable(described):

        async def wait() -> Any:
            return await described

        described = async_to_sync(wait)()
    return people.checked(described)


registry.built_in[NAME] = Registered(NAME, who_am_i, idempotent=False, atomic=False)
