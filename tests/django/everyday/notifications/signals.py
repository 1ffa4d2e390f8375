from django.db import transaction
from django.db.models.signals import post_delete, post_save

from .models import Notification
from .services import push


def saved(sender, instance, created, **kwargs):
    event = "send_notification" if created else "notification_changed"
    transaction.on_commit(lambda: push(instance.recipient_id, {"type": event, "notification": instance.to_json()}))


def deleted(sender, instance, **kwargs):
    event = {"type": "notification_deleted", "id": instance.pk}
    transaction.on_commit(lambda: push(instance.recipient_id, event))


post_save.connect(saved, sender=Notification)
post_delete.connect(deleted, sender=Notification)
