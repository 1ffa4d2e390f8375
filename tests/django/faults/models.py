"""What the consumer writes, and what it keeps."""

from django.db import models


class Row(models.Model):
    """Something has happened."""

    what = models.CharField(max_length=100)
    who = models.CharField(max_length=100, default="")
    code = models.IntegerField(default=0)


class Board(models.Model):
    """A consumer keeps one."""

    name = models.CharField(max_length=100)
