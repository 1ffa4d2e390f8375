"""The middleware of several projects: tokens of every kind, a tenant, and some that look at the messages."""

import json
import time
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

import jwt
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.middleware import BaseMiddleware
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.db import close_old_connections
from rest_framework.authtoken.models import Token
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import AccessToken

from .models import Tenant

User = get_user_model()


@database_sync_to_async
def get_user(user_id):
    try:
        return User.objects.get(id=user_id)
    except User.DoesNotExist:
        return AnonymousUser()


class JWTAuthMiddleware(BaseMiddleware):
    """`?token=`, by simplejwt."""

    async def __call__(self, scope, receive, send):
        close_old_connections()
        query_string = scope.get("query_string", b"").decode()
        token = parse_qs(query_string).get("token", [None])[0]
        scope["user"] = AnonymousUser()
        if token:
            try:
                access = AccessToken(token)
                scope["user"] = await get_user(access["user_id"])
                scope["token_payload"] = dict(access.payload)
            except (InvalidToken, TokenError):
                pass
        return await super().__call__(scope, receive, send)


def JWTAuthMiddlewareStack(inner):
    """The session's user first, then the token's, as many projects stack them."""
    return AuthMiddlewareStack(JWTAuthMiddleware(inner))


class CookieJwtMiddleware:
    """A JWT in the cookie `access`, decoded by hand; refuses before the consumer."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        headers = dict(scope["headers"])
        cookies = SimpleCookie(headers.get(b"cookie", b"").decode())
        try:
            payload = jwt.decode(cookies["access"].value, settings.SECRET_KEY, algorithms=["HS256"])
        except (KeyError, jwt.PyJWTError):
            await send({"type": "websocket.close", "code": 4401})
            return None
        return await self.app({**scope, "user": await get_user(payload["user_id"])}, receive, send)


class TokenAuthMiddleware:
    """A DRF token in a header, in the query or as a subprotocol; wraps the scope of the older kind."""

    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        scope = dict(scope)
        key = None
        for name, value in scope["headers"]:
            if name == b"authorization" and value.lower().startswith(b"token "):
                key = value.split()[1].decode()
        if key is None:
            key = parse_qs(scope["query_string"].decode()).get("auth_token", [None])[0]
        if key is None and len(scope.get("subprotocols", [])) == 2 and scope["subprotocols"][0] == "Token":
            key = scope["subprotocols"][1]
        scope["user"] = await self.user_of(key)
        scope["auth"] = key and key[:4]
        return await self.inner(scope, receive, send)

    @database_sync_to_async
    def user_of(self, key):
        token = Token.objects.select_related("user").filter(key=key).first()
        return token.user if token else AnonymousUser()


class TicketMiddleware(BaseMiddleware):
    """A ticket from the cache, good once."""

    async def __call__(self, scope, receive, send):
        ticket = parse_qs(scope["query_string"].decode()).get("ticket", [""])[0]
        value = await database_sync_to_async(cache.get)(f"ws_ticket:{ticket}")
        if value is None:
            raise ValueError("no such ticket")
        await database_sync_to_async(cache.delete)(f"ws_ticket:{ticket}")
        scope["user"] = await get_user(value["user_pk"])
        scope["ticket"] = value
        return await super().__call__(scope, receive, send)


class TenantMiddleware(BaseMiddleware):
    """The tenant by the name in the Host header."""

    async def __call__(self, scope, receive, send):
        host = dict(scope["headers"]).get(b"host", b"").decode().split(":")[0]
        tenant = await database_sync_to_async(Tenant.objects.filter(host=host).first)()
        if tenant is None:
            return await send({"type": "websocket.close", "code": 4404})
        scope["tenant"] = tenant
        return await self.inner(scope, receive, send)


class EnvelopeMiddleware(BaseMiddleware):
    """Looks at what goes out and comes in: counts frames, swallows pings, unwraps an envelope."""

    async def __call__(self, scope, receive, send):
        async def send_wrapped(message):
            if message["type"] == "websocket.send" and message.get("text"):
                body = json.loads(message["text"])
                message = {**message, "text": json.dumps({"v": 2, "body": body})}
            await send(message)

        async def receive_wrapped():
            while True:
                message = await receive()
                if message["type"] == "websocket.receive" and message.get("text") == "ping":
                    await send({"type": "websocket.send", "text": "pong"})
                    continue
                return message

        scope = dict(scope, enveloped=True)
        return await self.inner(scope, receive_wrapped, send_wrapped)


class Context:
    """What a middleware puts into the scope beside plain values."""

    def __init__(self, language, started):
        self.language = language
        self.started = started

    def greeting(self):
        return {"de": "Hallo", "fr": "Salut"}.get(self.language, "Hello")


class RequestContextMiddleware(BaseMiddleware):
    """Additions to the scope: plain values, an object of the project's own, and a row."""

    async def __call__(self, scope, receive, send):
        language = dict(scope["headers"]).get(b"accept-language", b"en").decode()[:2]
        scope["context"] = Context(language, time.monotonic())
        scope["geo"] = {"country": "PH", "cities": ("Cebu", "Manila")}
        scope["boss"] = await get_user(1)
        return await super().__call__(scope, receive, send)
