from http.cookies import SimpleCookie

from channels.db import database_sync_to_async
from channels.middleware import BaseMiddleware
from django.contrib.auth.models import AnonymousUser, User
from rest_framework_simplejwt.tokens import UntypedToken


@database_sync_to_async
def user_of(token):
    try:
        return User.objects.get(pk=UntypedToken(token)["user_id"])
    except Exception:
        return AnonymousUser()


class JWTCookieMiddleware(BaseMiddleware):
    """The access token is in a cookie that the login has set."""

    async def __call__(self, scope, receive, send):
        headers = dict(scope["headers"])
        cookies = SimpleCookie(headers.get(b"cookie", b"").decode())
        scope = dict(scope, user=AnonymousUser())
        if "access" in cookies:
            scope["user"] = await user_of(cookies["access"].value)
        return await super().__call__(scope, receive, send)
