from django.conf import settings
from django.db import models


class Room(models.Model):
    name = models.SlugField(unique=True)
    title = models.CharField(max_length=100)
    private = models.BooleanField(default=False)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="rooms", blank=True)


class Message(models.Model):
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="messages")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True)
    content = models.TextField()
    timestamp = models.DateTimeField(auto_now_add=True)
    edited = models.BooleanField(default=False)

    class Meta:
        ordering = ["pk"]


class Reaction(models.Model):
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="reactions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    emoji = models.CharField(max_length=8)

    class Meta:
        unique_together = [("message", "user", "emoji")]


class ThreadManager(models.Manager):
    def get_or_new(self, user, other_username):
        first, second = sorted([user.username, other_username])
        return self.select_related("first", "second").get_or_create(
            first__username=first, second__username=second, defaults=self._people(first, second)
        )

    def _people(self, first, second):
        users = self.model._meta.get_field("first").related_model.objects
        return {"first": users.get(username=first), "second": users.get(username=second)}


class Thread(models.Model):
    first = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    updated = models.DateTimeField(auto_now=True)

    objects = ThreadManager()

    @property
    def room_group_name(self):
        return f"thread_{self.first.username}_{self.second.username}"


class ThreadMessage(models.Model):
    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    sender = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    body = models.TextField()
    read = models.BooleanField(default=False)
