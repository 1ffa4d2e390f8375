import json

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth import logout
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, render

from .models import Message, Room


def page(request, room_name):
    return render(request, "chat/room.html", {"room_name": room_name})


def send(room, event):
    async_to_sync(get_channel_layer().group_send)("chat_" + room, event)


def messages(request, room_name):
    """An announcement, from a form."""
    room, _ = Room.objects.get_or_create(name=room_name)
    message = Message.objects.create(room=room, user=request.user, content=json.loads(request.body)["message"])
    send(
        room_name,
        {
            "type": "chat_message",
            "id": message.id,
            "message": message.content,
            "username": message.user.username,
            "timestamp": message.timestamp.strftime("%H:%M"),
        },
    )
    return JsonResponse({"id": message.id}, status=201)


def message(request, pk):
    found = get_object_or_404(Message.objects.select_related("room"), pk=pk)
    if request.method == "DELETE":
        found.delete()
        send(found.room.name, {"type": "message_removed", "id": pk})
    else:
        found.content = json.loads(request.body)["message"]
        found.save()
        send(found.room.name, {"type": "message_edited", "id": pk, "message": found.content})
    return JsonResponse({})


def log_out(request):
    logout(request)
    return JsonResponse({})
