from django.db import models


class Trace(models.Model):
    """What a consumer wrote before it failed."""

    name = models.CharField(max_length=40)
    note = models.CharField(max_length=100)
