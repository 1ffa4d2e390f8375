import json

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from django.http import JsonResponse

from .models import Message, Room


def announce(request, name):
    """A message from the site itself; the room hears of it once the row is there."""
    text = json.loads(request.body)["text"]
    with transaction.atomic():
        message = Message.objects.create(room=Room.objects.get(name=name), content=text)
        event = {"type": "chat.message", "message": text, "username": "system", "id": message.pk}
        transaction.on_commit(lambda: async_to_sync(get_channel_layer().group_send)(f"chat_{name}", event))
    return JsonResponse({"id": message.pk}, status=201)
