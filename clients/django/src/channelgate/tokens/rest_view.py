"""`GET /api/user/ws-token/` with REST framework: for the user of its authentication classes, or of Django's session."""

from typing import Any

from django.utils.cache import add_never_cache_headers
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from channelgate.conf import conf
from channelgate.tokens.issue import ws_token


class WsTokenSerializer(serializers.Serializer):  # type: ignore[misc]
    """The answer, for schemas."""

    ws_token = serializers.CharField(help_text="What the page opens its WebSocket with.")
    expires_in = serializers.IntegerField(help_text="How long it is valid, in seconds.")


class WsTokenView(APIView):  # type: ignore[misc]
    """A new token for the user of the request."""

    permission_classes = (IsAuthenticated,)
    #: What generators of schemas look for.
    serializer_class = WsTokenSerializer

    def get_authenticators(self) -> list[Any]:
        """The project's, and the session after them."""
        found: list[Any] = super().get_authenticators()
        if any(isinstance(one, SessionAuthentication) for one in found):
            return found
        return [*found, SessionAuthentication()]

    def get_authenticate_header(self, request: Any) -> str:
        """With one REST framework answers 401 and not 403."""
        return super().get_authenticate_header(request) or "Session"

    def get(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """`{"ws_token": "…", "expires_in": 1800}`."""
        answer = Response({"ws_token": ws_token(request.user), "expires_in": conf().ws_token.lifetime})
        add_never_cache_headers(answer)
        return answer
