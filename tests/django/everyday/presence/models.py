from django.conf import settings
from django.db import models


class Space(models.Model):
    slug = models.SlugField(unique=True)
    topic = models.CharField(max_length=100, blank=True)


class Seat(models.Model):
    """One open page of a user."""

    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="seats")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="seats")
    channel_name = models.CharField(max_length=120, unique=True)
    last_seen = models.DateTimeField(auto_now=True)
