import json

from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth import logout
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, render

from .models import Entry


def page(request):
    return render(request, "feed/page.html", {"entries": Entry.objects.order_by("-pk")[:10]})


@staff_member_required
def entries(request):
    entry = Entry.objects.create(author=request.user, **json.loads(request.body))
    return JsonResponse({"id": entry.pk}, status=201)


@staff_member_required
def entry(request, pk):
    found = get_object_or_404(Entry, pk=pk)
    if request.method == "DELETE":
        found.delete()
    else:
        for name, value in json.loads(request.body).items():
            setattr(found, name, value)
        found.save()
    return JsonResponse({"id": pk})


def leave(request):
    logout(request)
    return JsonResponse({})
