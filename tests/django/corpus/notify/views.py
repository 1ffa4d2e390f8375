import json

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.http import JsonResponse

from .models import Notification, Order


def advance(request, pk):
    order = Order.objects.get(pk=pk)
    order.status = json.loads(request.body)["status"]
    order.save()
    async_to_sync(get_channel_layer().group_send)(f"order_{pk}", {"type": "order.status", "order_id": pk})
    return JsonResponse({"status": order.status})


def notify_user(request, user_id):
    data = json.loads(request.body)
    row = Notification.objects.create(recipient_id=user_id, topic=data.get("topic", "general"), text=data["text"])
    return JsonResponse({"id": row.pk}, status=201)
