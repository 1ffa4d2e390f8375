"""What `Journal` writes."""

from django.conf import settings
from django.db import models


class Message(models.Model):
    """One message of one user."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    text = models.CharField(max_length=300)
    at = models.DateTimeField(auto_now_add=True)
