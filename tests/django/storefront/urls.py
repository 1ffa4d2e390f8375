"""Orders: two pages, a fragment for htmx, and the view that changes an order and publishes."""

import os

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path


def log_in(request, name):
    """Without a password: what counts is the session."""
    user, _ = User.objects.get_or_create(username=name)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse(user.username)


def state(pk):
    return cache.get(f"order {pk}", "open")


def page(request, pk, kind):
    """`kind` is the version of htmx, or none of them."""
    template = "htmx.html" if kind.startswith("htmx") else "plain.html"
    node = f"ws://127.0.0.1:{os.environ['NODE_PORT']}"
    return render(request, template, {"pk": pk, "state": state(pk), "node": node, "htmx": f"{kind}/htmx.min.js"})


def fragment(request, pk):
    return HttpResponse(f"{state(pk)} ({request.headers.get('HX-Request', 'no')} htmx)")


def read(request, pk):
    return JsonResponse({"state": state(pk)})


def change(request, pk, to):
    """As projects do it in a view or a signal."""
    cache.set(f"order {pk}", to)
    async_to_sync(get_channel_layer().group_send)(f"order_{pk}", {"type": "order.status", "status": to})
    return HttpResponse()


urlpatterns = [
    path("login/<str:name>/", log_in),
    path("orders/<int:pk>/fragment/", fragment),
    path("orders/<int:pk>/state/", read),
    path("orders/<int:pk>/change/<str:to>/", change),
    path("orders/<int:pk>/page/<str:kind>/", page),
]
