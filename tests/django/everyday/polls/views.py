import json

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth import logout
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, render

from .models import Choice, Poll


def notify(slug, kind="poll.results"):
    async_to_sync(get_channel_layer().group_send)(f"poll_{slug}", {"type": kind})


def choices(request, slug):
    choice = Choice.objects.create(poll=get_object_or_404(Poll, slug=slug), text=json.loads(request.body)["text"])
    notify(slug)
    return JsonResponse({"id": choice.pk}, status=201)


def choice(request, pk):
    found = get_object_or_404(Choice.objects.select_related("poll"), pk=pk)
    if request.method == "DELETE":
        found.delete()
    else:
        found.text = json.loads(request.body)["text"]
        found.save()
    notify(found.poll.slug)
    return JsonResponse({})


def end(request, slug):
    notify(slug, "poll.closed")
    return JsonResponse({})


def page(request, slug):
    return render(request, "polls/page.html", {"poll": get_object_or_404(Poll, slug=slug)})


def leave(request):
    logout(request)
    return JsonResponse({})
