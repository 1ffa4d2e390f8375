from django.conf import settings
from django.db import models


class Ticket(models.Model):
    reporter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reported")
    subject = models.CharField(max_length=100)
    state = models.CharField(max_length=20, default="open")


class Comment(models.Model):
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    body = models.TextField()
    written_at = models.DateTimeField(auto_now_add=True)
