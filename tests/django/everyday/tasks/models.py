from django.conf import settings
from django.db import models


class Task(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tasks")
    title = models.CharField(max_length=100)
    done = models.BooleanField(default=False)
    updated_at = models.DateTimeField(auto_now=True)
