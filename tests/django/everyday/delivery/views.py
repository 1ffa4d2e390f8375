import json

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth import logout
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, render

from .models import Parcel


def send(parcel, event):
    async_to_sync(get_channel_layer().group_send)(parcel.group_name, event)


def parcels(request):
    parcel = Parcel.objects.create(courier=request.user)
    return JsonResponse({"id": parcel.pk, "tracking": parcel.tracking}, status=201)


def parcel(request, pk):
    found = get_object_or_404(Parcel, pk=pk)
    if request.method == "DELETE":
        send(found, {"type": "parcel_gone"})
        found.delete()
        return JsonResponse({})
    found.state = json.loads(request.body)["state"]
    found.save()
    # Already encoded: the consumer passes it on.
    send(found, {"type": "parcel_state", "text": json.dumps({"type": "state", "state": found.state})})
    return JsonResponse({"id": pk, "state": found.state})


def page(request, tracking):
    return render(request, "delivery/page.html", {"tracking": tracking})


def leave(request):
    logout(request)
    return JsonResponse({})
