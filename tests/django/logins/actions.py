"""What a client says in its first message: the key of a token."""

from channelgate import Call, Refused, action
from rest_framework.authtoken.models import Token


@action("login")
def login(call: Call) -> dict:
    token = Token.objects.filter(key=call.data).select_related("user").first()
    if token is None:
        raise Refused(401, "No such token")
    return {"id": token.user.pk, "name": token.user.username}
