"""What an office has: rooms with messages, boards that not everybody may see, orders, and notifications."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models

USER = settings.AUTH_USER_MODEL


class Room(models.Model):
    name = models.CharField(max_length=80)
    members = models.ManyToManyField(USER, blank=True)


class Message(models.Model):
    room = models.ForeignKey(Room, models.CASCADE, related_name="messages")
    author = models.ForeignKey(USER, models.CASCADE)
    text = models.TextField()
    created = models.DateTimeField(auto_now_add=True)


class Board(models.Model):
    """`members` and `groups` may see it, and its owner."""

    name = models.CharField(max_length=80)
    owner = models.ForeignKey(USER, models.CASCADE, related_name="+")
    members = models.ManyToManyField(USER, blank=True, related_name="+")
    groups = models.ManyToManyField(Group, blank=True)


class Order(models.Model):
    customer = models.ForeignKey(USER, models.CASCADE)
    status = models.CharField(max_length=20, default="new")


class Notification(models.Model):
    user = models.ForeignKey(USER, models.CASCADE)
    text = models.TextField()
    read = models.BooleanField(default=False)


class Answer(models.Model):
    prompt = models.TextField()
    text = models.TextField()


class LastSeen(models.Model):
    user = models.OneToOneField(USER, models.CASCADE)
    at = models.DateTimeField()
