from django.db import models


class Answer(models.Model):
    prompt = models.TextField()
    text = models.TextField()
    chunks = models.IntegerField()


class Upload(models.Model):
    name = models.CharField(max_length=100)
    size = models.IntegerField()
    digest = models.CharField(max_length=64)
