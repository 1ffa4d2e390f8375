from django.conf import settings
from django.db import models


class IssuedToken(models.Model):
    """An access token, so that it can be made to expire."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    token = models.TextField()
