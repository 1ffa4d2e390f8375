from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from attendance.models import Attendance


def send_attendance_update(data):
    channel_layer = get_channel_layer()
    async_to_sync(channel_layer.group_send)("attendance_updates", {"type": "attendance_update", "data": data})


def text(moment):
    return moment.isoformat() if moment else None


@receiver(post_save, sender=Attendance)
def attendance_saved(instance, created, **kwargs):
    send_attendance_update(
        {
            "id": str(instance.id),
            "user_name": instance.user_name,
            "employee_id": instance.employee_id,
            "office": instance.office,
            "date": instance.date.isoformat(),
            "check_in_time": text(instance.check_in_time),
            "check_out_time": text(instance.check_out_time),
            "status": instance.status,
            "device": instance.device,
            "created_at": instance.created_at.isoformat(),
            "updated_at": instance.updated_at.isoformat(),
            "action": "created" if created else "updated",
        }
    )


@receiver(post_delete, sender=Attendance)
def attendance_deleted(instance, **kwargs):
    send_attendance_update(
        {
            "id": str(instance.id),
            "user_name": instance.user_name,
            "employee_id": instance.employee_id,
            "action": "deleted",
        }
    )
