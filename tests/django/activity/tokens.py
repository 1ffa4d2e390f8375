"""Access tokens of the demonstration: they are written down when they are issued, and can be made to expire."""

from channelgate import disconnect
from channelgate.tokens.issue import KEY
from django.core.cache import cache
from rest_framework_simplejwt.serializers import TokenRefreshSerializer
from rest_framework_simplejwt.tokens import AccessToken

from accounts.people import PersonTokenSerializer
from activity.bounds import keep_newest
from activity.models import IssuedToken

#: How many tokens of a user are written down, and how their connections end: as with a token that has ended.
KEPT, EXPIRED = 50, {"code": 4401, "reason": "token expired"}


def issued(token: str) -> None:
    user_id = AccessToken(token)["user_id"]
    IssuedToken.objects.create(user_id=user_id, token=token)
    keep_newest(IssuedToken.objects.filter(user_id=user_id), KEPT)


class ObtainSerializer(PersonTokenSerializer):
    def validate(self, attrs):
        data = super().validate(attrs)
        issued(data["access"])
        return data


class RefreshSerializer(TokenRefreshSerializer):
    def validate(self, attrs):
        data = super().validate(attrs)
        issued(data["access"])
        return data


def expire(user) -> None:
    """Ends every connection that a token of this user has opened; the nodes refuse these tokens from now on."""
    rows = list(IssuedToken.objects.filter(user=user))
    tokens = [row.token for row in rows]
    if ws_token := cache.get(f"{KEY}{user.id}"):
        tokens.append(ws_token)
    for token in tokens:
        disconnect(token=token, **EXPIRED)
    # A former ws-token is valid no more, and not known here; its connections are open.
    disconnect(user=user, **EXPIRED)
    # Not those that were issued meanwhile.
    IssuedToken.objects.filter(pk__in=[row.pk for row in rows]).delete()
