from django.contrib.auth.models import User
from django.db import models


class Order(models.Model):
    owner = models.ForeignKey(User, on_delete=models.CASCADE)
    status = models.CharField(max_length=20, default="open")
    note = models.CharField(max_length=50, default="")
