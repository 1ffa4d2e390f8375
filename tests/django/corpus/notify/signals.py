from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from .models import Notification, Ticket


@receiver(post_save, sender=Notification)
def notification_saved(sender, instance, created, **kwargs):
    if not created:
        return
    event = {"type": "notification.created", "id": instance.pk, "topic": instance.topic, "text": instance.text}
    transaction.on_commit(
        lambda: async_to_sync(get_channel_layer().group_send)(f"notifications_{instance.recipient_id}", event)
    )


@receiver([post_save, post_delete], sender=Ticket)
def ticket_changed(sender, instance, **kwargs):
    action = ("created" if kwargs["created"] else "updated") if "created" in kwargs else "deleted"
    data = {"id": instance.pk, "title": instance.title, "owner": instance.owner_id}
    async_to_sync(get_channel_layer().group_send)(
        f"tickets_{instance.board}", {"type": "ticket_update", "action": action, "data": data}
    )
