from channelgate import Refused, action
from django.contrib.auth import get_user_model

from accounts import people


@action("findUser")
def find_user(call):
    """Whether the owner of a token still exists, and who that is: role and name in a token may be outdated."""
    try:
        user = get_user_model().objects.get(pk=(call.user or {}).get("id"), is_active=True)
    except (get_user_model().DoesNotExist, TypeError, ValueError, OverflowError):
        raise Refused(404, "User not found") from None
    return people.describe(user)
