from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from .models import Task
from .serializers import TaskSerializer


@receiver([post_save, post_delete], sender=Task, dispatch_uid="tasks")
def task_changed(sender, instance, **kwargs):
    action = "deleted" if "created" not in kwargs else "created" if kwargs["created"] else "updated"
    async_to_sync(get_channel_layer().group_send)(
        f"user_{instance.owner_id}_tasks",
        {"type": "task_event", "payload": {"event": f"task.{action}", "task": dict(TaskSerializer(instance).data)}},
    )
