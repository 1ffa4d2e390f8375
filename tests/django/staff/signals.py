from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from staff.models import Employee, EmployeeAttendance
from visitors.broadcast import send_group_event


@receiver(post_save, sender=Employee)
def employee_saved(instance, created, **kwargs):
    send_group_event(
        "employee_create" if created else "employee_update",
        {
            "id": instance.id,
            "first_name": instance.first_name,
            "last_name": instance.last_name,
            "email": instance.email,
            "phone_number": instance.phone_number,
            # Without an image this raises, and the request fails, as in the project that this one is modelled on.
            "image": instance.image.url,
        },
    )


@receiver(post_delete, sender=Employee)
def employee_deleted(instance, **kwargs):
    send_group_event("employee_delete", {"id": instance.id})


@receiver(post_save, sender=EmployeeAttendance)
def attendance_saved(instance, created, **kwargs):
    if created:
        send_group_event(
            "employee_attendance",
            {
                "employee_id": instance.employee_id,
                "device_id": instance.device_id,
                "image": instance.image.url,
                "datetime": instance.datetime.isoformat(),
                "score": instance.score,
            },
        )


@receiver(post_delete, sender=EmployeeAttendance)
def attendance_deleted(instance, **kwargs):
    send_group_event(
        "employee_attendance_delete",
        {"employee_id": instance.employee_id, "datetime": instance.datetime.isoformat()},
    )
