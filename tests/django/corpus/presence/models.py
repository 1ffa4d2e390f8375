from django.conf import settings
from django.db import models


class Profile(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile")
    is_online = models.BooleanField(default=False)
    last_seen = models.DateTimeField(null=True)
    connections = models.IntegerField(default=0)


class Connection(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    room = models.CharField(max_length=40)
    channel_name = models.CharField(max_length=200)
