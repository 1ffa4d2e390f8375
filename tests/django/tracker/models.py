from django.conf import settings
from django.db import models
from django.utils import timezone


class Session(models.Model):
    class Status(models.TextChoices):
        SCHEDULED = "scheduled"
        ACTIVE = "active"
        COMPLETED = "completed"
        CANCELLED = "cancelled"

    title = models.CharField(max_length=200)
    status = models.CharField(max_length=20, choices=Status, default=Status.ACTIVE)
    capacity = models.PositiveIntegerField(default=30)


class Attendance(models.Model):
    class Status(models.TextChoices):
        PRESENT = "present"
        LATE = "late"
        ABSENT = "absent"

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="attendances")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="session_attendances")
    status = models.CharField(max_length=20, choices=Status, default=Status.PRESENT)
    check_in_time = models.DateTimeField(default=timezone.now)
    location = models.JSONField(blank=True, null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "user"], name="one_attendance_per_session_and_user")]
