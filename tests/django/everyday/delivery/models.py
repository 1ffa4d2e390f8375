import uuid

from django.conf import settings
from django.db import models


class Parcel(models.Model):
    tracking = models.UUIDField(default=uuid.uuid4, unique=True)
    courier = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="parcels")
    state = models.CharField(max_length=20, default="packed")
    lat = models.FloatField(default=0)
    lng = models.FloatField(default=0)

    @property
    def group_name(self):
        return f"parcel_{self.tracking}"
