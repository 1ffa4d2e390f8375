"""Django Channels consumers and actions behind Channelgate.

from channelgate import bridge
application = bridge(ProtocolTypeRouter({…}))            # asgi.py

from channelgate import action, Call, Refused, NotFound  # actions.py of an app

from channelgate import disconnect                         # ends connections of a user, a session or a token
from channelgate import join, leave, signed_group         # anywhere
"""

from channelgate.bridge.entry import bridge
from channelgate.membership import Membership, ajoin, aleave, join, leave
from channelgate.orders import adisconnect, disconnect
from channelgate.registry import Call, NotFound, Refused, action
from channelgate.signed import signed_group

__all__ = [
    "Call",
    "Membership",
    "NotFound",
    "Refused",
    "action",
    "adisconnect",
    "ajoin",
    "aleave",
    "bridge",
    "disconnect",
    "join",
    "leave",
    "signed_group",
]
