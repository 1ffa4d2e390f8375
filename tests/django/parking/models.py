from django.conf import settings
from django.db import models


class ParkingLot(models.Model):
    name = models.CharField(max_length=100)
    capacity = models.IntegerField(default=10)

    @property
    def occupied(self):
        """How many places are taken by active reservations."""
        return self.reservation_set.filter(status=Reservation.Status.ACTIVE).count()


class Reservation(models.Model):
    class Status(models.TextChoices):
        ACTIVE = "active"
        EXPIRED = "expired"
        CANCELLED = "cancelled"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    parking_lot = models.ForeignKey(ParkingLot, on_delete=models.CASCADE)
    start_time = models.DateTimeField()
    end_time = models.DateTimeField()
    status = models.CharField(max_length=20, choices=Status, default=Status.ACTIVE)


class Notification(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    type = models.CharField(max_length=50)
    message = models.CharField(max_length=255)
    data = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
