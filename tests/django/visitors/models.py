from django.db import models


class Client(models.Model):
    class Gender(models.TextChoices):
        MALE = "male"
        FEMALE = "female"
        UNKNOWN = "unknown"

    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    visit_count = models.IntegerField(default=1)
    gender = models.CharField(max_length=10, choices=Gender)
    age = models.IntegerField()
    image = models.FileField(upload_to="clients/")


class ClientVisit(models.Model):
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="visit_histories")
    datetime = models.DateTimeField()
    device_id = models.IntegerField()
