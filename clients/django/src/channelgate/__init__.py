"""Django Channels consumers and actions behind Channelgate.

from channelgate import bridge
application = bridge(ProtocolTypeRouter({…}))            # asgi.py

from channelgate import publish, apublish, to_user        # anywhere: to groups, after the commit

from channelgate import action, Call, Refused, NotFound  # actions.py of an app

from channelgate import disconnect, disconnects            # ends connections of a user, a login, or a socket
from channelgate import join, leave, signed_group         # anywhere
"""

from channelgate.bridge.entry import bridge
from channelgate.membership import Membership, ajoin, aleave, join, leave
from channelgate.on_save import disconnects
from channelgate.orders import adisconnect, disconnect
from channelgate.publishing import (
    NotPublished,
    apublish,
    apublish_many,
    ato_user,
    publish,
    publish_failed,
    publish_many,
    to_user,
)
from channelgate.registry import Call, NotFound, Refused, action
from channelgate.signed import signed_group

__all__ = [
    "Call",
    "Membership",
    "NotFound",
    "NotPublished",
    "Refused",
    "action",
    "adisconnect",
    "ajoin",
    "aleave",
    "apublish",
    "apublish_many",
    "ato_user",
    "bridge",
    "disconnect",
    "disconnects",
    "join",
    "leave",
    "publish",
    "publish_failed",
    "publish_many",
    "signed_group",
    "to_user",
]
