"""A backend of the project's own: users log in with a badge."""

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend


class BadgeBackend(BaseBackend):
    def authenticate(self, request, badge=None):
        return get_user_model().objects.filter(username=badge).first() if badge else None

    def get_user(self, user_id):
        return get_user_model().objects.filter(pk=user_id).first()
