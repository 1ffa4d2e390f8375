import secrets

from django.core.cache import cache
from django.http import JsonResponse


def alive(request):
    return JsonResponse({"alive": True})


def ws_ticket(request):
    ticket = secrets.token_urlsafe(24)
    cache.set(f"ws_ticket:{ticket}", {"user_pk": request.user.pk, "scope": "read"}, timeout=60)
    return JsonResponse({"ticket": ticket})
