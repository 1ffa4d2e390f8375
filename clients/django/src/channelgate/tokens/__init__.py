"""ws-tokens: what a page opens its WebSocket with, for `auth = ["ws_token"]` of a node.

from channelgate.tokens import WsTokenView, ws_token
"""

from typing import TYPE_CHECKING, Any

from channelgate.tokens.issue import revoke_ws_token, ws_token, ws_token_user

if TYPE_CHECKING:
    from channelgate.tokens.plain_view import WsTokenView

__all__ = ["WsTokenView", "revoke_ws_token", "ws_token", "ws_token_user"]


def __getattr__(name: str) -> Any:
    """The view is made when urls.py asks for it: REST framework cannot be imported before the apps are loaded."""
    if name != "WsTokenView":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from django.apps import apps

    if apps.is_installed("rest_framework"):
        from channelgate.tokens import rest_view

        return rest_view.WsTokenView
    from channelgate.tokens import plain_view

    return plain_view.WsTokenView
