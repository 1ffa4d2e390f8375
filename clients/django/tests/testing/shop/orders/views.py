from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from django.http import HttpResponse

from orders.models import Order


def pay(request, pk):
    order = Order.objects.get(pk=pk, owner=request.user)
    order.status = "paid"
    order.save()
    for group in (f"order_{pk}", f"user_{order.owner_id}"):
        transaction.on_commit(lambda group=group: tell(group, order.status))
    if request.GET.get("fail"):
        raise ValueError("the request is rolled back")
    return HttpResponse()


def tell(group, status):
    async_to_sync(get_channel_layer().group_send)(group, {"type": "order.status", "status": status})
