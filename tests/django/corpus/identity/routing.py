from django.urls import path, re_path

from . import consumers
from .middleware import (
    CookieJwtMiddleware,
    EnvelopeMiddleware,
    JWTAuthMiddlewareStack,
    RequestContextMiddleware,
    TenantMiddleware,
    TicketMiddleware,
    TokenAuthMiddleware,
)

websocket_urlpatterns = [
    path("ws/identity/session/", consumers.WhoAmIConsumer.as_asgi()),
    path("ws/identity/token/", TokenAuthMiddleware(consumers.WhoAmIConsumer.as_asgi())),
    path("ws/identity/cookie/", CookieJwtMiddleware(consumers.WhoAmIConsumer.as_asgi())),
    path("ws/identity/ticket/", TicketMiddleware(consumers.WhoAmIConsumer.as_asgi())),
    path("ws/identity/jwt/", JWTAuthMiddlewareStack(consumers.WhoAmIConsumer.as_asgi())),
    path("ws/identity/inside/", consumers.InsideTokenConsumer.as_asgi()),
    path("ws/identity/first/", consumers.FirstMessageConsumer.as_asgi()),
    path("ws/identity/tenant/", TenantMiddleware(consumers.TenantConsumer.as_asgi())),
    path("ws/identity/visits/", consumers.SessionConsumer.as_asgi()),
    path("ws/identity/login/", consumers.LoginConsumer.as_asgi()),
    path("ws/identity/device/", consumers.DeviceConsumer.as_asgi()),
    re_path(
        r"^ws/identity/scope/(?P<pk>[0-9]+)/(?P<slug>[^/]+)/$",
        RequestContextMiddleware(consumers.ScopeConsumer.as_asgi()),
    ),
    path("ws/identity/envelope/", EnvelopeMiddleware(consumers.EchoBodyConsumer.as_asgi())),
    path("ws/identity/denial/<str:reason>/", consumers.DenialConsumer.as_asgi()),
    path("ws/identity/headers/", consumers.AcceptHeadersConsumer.as_asgi()),
]
