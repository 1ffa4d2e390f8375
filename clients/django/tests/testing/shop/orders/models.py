from django.contrib.auth.models import User
from django.db import models


class Order(models.Model):
    owner = models.ForeignKey(User, on_delete=models.CASCADE)
    status = models.CharField(max_length=20, default="open")
    note = models.CharField(max_length=50, default="")


class Visit(models.Model):
    """Somebody has looked at an order, and has left."""

    order = models.IntegerField()
    code = models.IntegerField()
