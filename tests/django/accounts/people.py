"""A user as other programs see it: an id, a name and a role. The role is the name of the user's group."""

from rest_framework_simplejwt.serializers import TokenObtainPairSerializer

#: The role of users without a group.
DEFAULT_ROLE = "user"


def describe(user):
    group = user.groups.order_by("id").first()
    name = user.get_full_name() or user.get_username()
    return {"id": user.id, "name": name, "role": group.name if group else DEFAULT_ROLE}


class PersonTokenSerializer(TokenObtainPairSerializer):
    """Tokens that contain all of it, so that a gateway need not ask."""

    @classmethod
    def get_token(cls, user):
        token = super().get_token(user)
        for claim, value in describe(user).items():
            token[claim] = value
        return token
