from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from .models import Order


def broadcast(order, action):
    channel_layer = get_channel_layer()
    message = {"type": "order.update", "action": action, "data": order.as_dict()}
    async_to_sync(channel_layer.group_send)(f"order_{order.pk}", message)
    async_to_sync(channel_layer.group_send)("orders", message)


@receiver(post_save, sender=Order)
def order_saved(sender, instance, created, **kwargs):
    broadcast(instance, "created" if created else "updated")


@receiver(post_delete, sender=Order)
def order_deleted(sender, instance, **kwargs):
    broadcast(instance, "deleted")
