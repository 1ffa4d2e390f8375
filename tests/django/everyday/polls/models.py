from django.conf import settings
from django.db import models


class Poll(models.Model):
    slug = models.SlugField(unique=True)
    question = models.CharField(max_length=100)


class Choice(models.Model):
    poll = models.ForeignKey(Poll, on_delete=models.CASCADE, related_name="choices")
    text = models.CharField(max_length=50)


class Vote(models.Model):
    """A user has one in each poll, and may change it."""

    poll = models.ForeignKey(Poll, on_delete=models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="votes")
    choice = models.ForeignKey(Choice, on_delete=models.CASCADE, related_name="votes")

    class Meta:
        unique_together = [("poll", "user")]
