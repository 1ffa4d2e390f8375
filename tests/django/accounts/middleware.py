"""Puts the user of `?token=` into the scope."""

from urllib.parse import parse_qs

from channelgate.tokens import ws_token_user
from channels.db import database_sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser


@database_sync_to_async
def get_user(token):
    user_id = ws_token_user(token)
    if user_id is None:
        return AnonymousUser()
    try:
        return get_user_model().objects.get(pk=user_id)
    except get_user_model().DoesNotExist:
        return AnonymousUser()


class WsTokenAuthMiddleware:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        query = parse_qs(scope["query_string"].decode())
        token = query.get("token", [""])[-1]
        user = await get_user(token) if token else AnonymousUser()
        return await self.app({**scope, "user": user}, receive, send)
