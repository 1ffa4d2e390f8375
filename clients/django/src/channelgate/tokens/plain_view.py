"""`GET /api/user/ws-token/` without REST framework: for the user of Django's session."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import add_never_cache_headers
from django.views import View

from channelgate.conf import conf
from channelgate.tokens.issue import ws_token


class WsTokenView(View):  # type: ignore[misc]
    """`{"ws_token": "…", "expires_in": 1800}`, or 401 in the form of REST framework."""

    http_method_names = ("get", "options")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A new token for the user of the request."""
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            answer = JsonResponse({"detail": "Authentication credentials were not provided."}, status=401)
            answer["WWW-Authenticate"] = "Session"
        else:
            answer = JsonResponse({"ws_token": ws_token(user), "expires_in": conf().ws_token.lifetime})
        add_never_cache_headers(answer)
        return answer
