from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.core.cache import cache
from django.http import JsonResponse


def confirm(request, code):
    """The phone confirms; the browser that shows the code is known by its channel."""
    channel = cache.get(f"qr:{code}")
    if channel is None:
        return JsonResponse({"error": "unknown code"}, status=404)
    async_to_sync(get_channel_layer().send)(channel, {"type": "qr.confirmed", "user": request.user.username})
    return JsonResponse({"ok": True})
