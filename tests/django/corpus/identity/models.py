from django.contrib.auth import get_user_model
from django.db import models


class Tenant(models.Model):
    schema = models.SlugField(unique=True)
    host = models.CharField(max_length=100, unique=True)


class Device(models.Model):
    owner = models.ForeignKey(get_user_model(), on_delete=models.CASCADE)
    secret = models.CharField(max_length=40, unique=True)
    last_code = models.IntegerField(null=True)
